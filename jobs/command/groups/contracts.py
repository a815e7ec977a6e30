"""Commands about data contracts: contracts check, diff, docs.

Belongs here: their arguments, and how they end. What they do: jobs/command/contracts.py, and site/ for docs.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from jobs.command.options import as_json, examples

# Of `check` where something is wrong, and of `diff` where a breaking change comes without a new version of its
# contract; 1 is an error, and 2 a command that is written wrongly.
DOES_NOT_HOLD = 3


@click.group(epilog=examples("reelmill contracts check", "reelmill contracts diff main data_contracts"))
def contracts() -> None:
    """Data contracts: whether all hold, what a change of them breaks, and their pages for people."""


@contracts.command(epilog=examples("reelmill contracts check"))
def check() -> None:
    """Check all contracts by the standard (ODCS v3.1) and by our own rules, and the lake's tables by their contracts.

    Ends with 0 when all hold, and with 3 when something does not.
    """
    from jobs.command import console
    from jobs.command.contracts import check as find_faults
    from jobs.settings import Settings

    wrong, behind = find_faults(Settings())
    for sentence in (*wrong, *behind):
        console.say(sentence)
    if wrong:
        sys.exit(DOES_NOT_HOLD)
    console.say("All contracts hold, and all tables that are there fit theirs.")


@contracts.command(
    epilog=examples(
        "reelmill contracts diff main data_contracts           what this checkout changes against main",
        "reelmill contracts diff v0.1.0 HEAD",
        "reelmill contracts diff old/feeds.odcs.yaml data_contracts/gold/feeds.odcs.yaml --json",
    )
)
@click.argument("before")
@click.argument("after")
@as_json
def diff(before: str, after: str, as_json: bool) -> None:
    """Say what changed from BEFORE to AFTER, and whether it breaks what somebody relies on.

    Each is a file, a folder, or a revision of git. Ends with 3 when a breaking change comes without a higher version of
    its contract, and with 0 when none does.
    """
    from jobs.command import console
    from jobs.command.contracts import diff as find_changes

    found = find_changes(before, after)
    console.changes(found, as_json)
    if any(change.is_breaking and not change.is_versioned for change in found):
        sys.exit(DOES_NOT_HOLD)


@contracts.command(epilog=examples("reelmill contracts docs", "reelmill contracts docs --out public/"))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The folder. Default: docs in the home.")
def docs(out: Path | None) -> None:
    """Write pages about every table, column, rule and job, with lineage and what last became of each.

    They need no server and no network: open index.html.
    """
    from jobs.command import console
    from jobs.command.site.pages import write
    from jobs.pipeline import JOBS
    from jobs.settings import Settings

    settings = Settings()
    console.say(f"wrote {write(JOBS, settings, out or settings.home / 'docs', datetime.now(UTC))}")
