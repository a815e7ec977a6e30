"""The `reelmill` command: its commands, and how an error is told.

Belongs here: THE list of commands. Their arguments and help: groups/. What is printed: console.py.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from jobs.command.groups import (
    arms,
    contracts,
    creator,
    evaluate,
    feeds,
    forget,
    imports,
    keys,
    machine,
    models,
    policy,
    runs,
    similar,
    simulate,
    tables,
    trending,
    upload,
    visibility,
)
from jobs.command.options import examples
from jobs.errors import ReelmillError
from jobs.host.signals import Stopped, unwinding

COMMANDS = (
    machine.setup,
    machine.doctor,
    machine.settings,
    machine.demo,
    machine.serve,
    keys.keys,
    upload.upload,
    imports.import_,
    simulate.simulate,
    runs.run,
    runs.pipeline,
    runs.watch,
    runs.jobs,
    runs.late,
    runs.status,
    runs.plan,
    feeds.feeds,
    models.models,
    models.explain,
    policy.policy,
    arms.arms,
    visibility.visibility,
    creator.creator,
    similar.similar,
    trending.trending,
    evaluate.evaluate,
    tables.tables,
    tables.query,
    tables.upkeep,
    forget.forget,
    contracts.contracts,
)


@click.group(
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples(
        "reelmill demo                        see the whole platform do its job",
        "reelmill upload clip.mp4 --user ann --hashtag cats",
        "reelmill pipeline nightly            features, ranker and feeds as of the newest day",
        "reelmill serve                       the HTTP endpoint over the published feeds",
    )
    + "\n\n\b\nEverything is written below REELMILL_HOME (default ./var).",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="reelmill")
def cli(debug: bool) -> None:
    """Reelmill: a batch platform for short video. Upload clips, see them published, ranked and served."""


def main() -> NoReturn:
    """Run the command; an error is one paragraph, and the whole traceback with --debug."""
    debug = "--debug" in sys.argv
    try:
        with unwinding():
            cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Stopped as stopped:
        if spark := sys.modules.get("jobs.engine.spark"):
            spark.end()
        click.echo(f"stopped by {stopped.name}", err=True)
        raise
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        # Errors of data_contracts and serving know nothing of ours, but are written for people just as well.
        ours = isinstance(error, ReelmillError) or type(error).__module__.startswith(("data_contracts", "serving"))
        text = str(error) if ours else f"{type(error).__name__}: {error} (`reelmill --debug ...` shows where.)"
        click.echo(click.style("Error: ", fg="red") + " ".join(text.split()), err=True)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
