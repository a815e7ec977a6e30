"""What the feeds of a night show, as a terminal shows it.

Belongs here: `reelmill feeds audit`. The measures: jobs/feeds/audit.py. The page: jobs/evaluation/audit_page.py.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path

from jobs.command.console import print_json, say, table
from jobs.evaluation import audit_page
from jobs.settings import Settings


def audit(settings: Settings, night: date | None, to: Path | None, as_json: bool) -> None:
    """The measures of a night's feeds beside popularity's, and a page with pictures of it and the nights before."""
    found = audit_page.audited(settings, night)
    if to is not None:
        audit_page.write(found, to)
    tonight = [one for one in found if one.night == found[-1].night]
    if as_json:
        return print_json([asdict(one) for one in tonight])
    say(f"the feeds of {found[-1].night}, beside what popularity would have shown the same viewers")
    columns, whose = audit_page.whose(tonight)
    cells = [
        (
            f"{one.metric}@{one.depth}",
            *of,
            f"{one.value:.3f}",
            "" if one.popularity is None else f"{one.popularity:.3f}",
            one.worse,
            one.words,
        )
        for one, of in zip(tonight, whose, strict=True)
    ]
    numbers = 1 + len(columns)
    table(("metric", *columns, "served", "popularity", "", "what"), cells, right=(numbers, numbers + 1))
    if to is not None:
        say(f"wrote {to}")
