"""The `reelmill` command.

Belongs here: arguments, help and which function they lead to. What is printed: console.py. Nothing heavy is imported
before a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from jobs.engine.cadence import PIPELINES
from jobs.errors import ReelmillError


class Day(click.ParamType[date]):
    """A calendar day, as Python's date."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day; write it as 2026-01-31", param, ctx)


class DayOrInstant(click.ParamType[date | datetime]):
    """A calendar day, or an instant with its zone."""

    name = "DAY|INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date | datetime:
        from jobs.engine.window import NotATime, day_or_instant

        try:
            return value if isinstance(value, date) else day_or_instant(value)
        except NotATime as error:
            self.fail(str(error), param, ctx)


def examples(*lines: str) -> str:
    """The examples under a command's help, kept on lines of their own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
as_of = click.option(
    "--date",
    "on",
    type=DayOrInstant(),
    help="The day (UTC), as of whose end features, ranker and feeds are; or an instant such as 2026-01-18T09:00Z, for "
    "the hour or the day that holds it. Default: the newest day with watches; for what is hourly, the newest hour with "
    "watches that is over.",
)


@click.group(
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


@cli.command(epilog=examples("reelmill setup"))
def setup() -> None:
    """Get what packages cannot bring: Java, native libraries, and Spark's jars. `make setup` runs it."""
    from jobs.command import console
    from jobs.engine.spark import jars_are_current, resolve_jars
    from jobs.host import needs
    from jobs.settings import Settings

    settings = Settings()
    if lacking := needs.missing():
        needs.install(lacking)
    if not jars_are_current(settings):
        with console.status("resolving Spark's jars from Maven Central, once"):
            resolve_jars(settings)


@cli.command(epilog=examples("reelmill doctor", "reelmill doctor --json"))
@as_json
def doctor(as_json: bool) -> None:
    """Say what was found on this machine, what is missing, and how to get it. Exits with 1 when something is."""
    from jobs.command import console
    from jobs.command.doctor import examine
    from jobs.settings import Settings

    findings = examine(Settings())
    console.findings(findings, as_json)
    sys.exit(0 if all(f.found for f in findings) else 1)


@cli.command(epilog=examples("reelmill demo", "REELMILL_HOME=/tmp/demo reelmill demo"))
def demo() -> None:
    """Make a small world, run the nightly pipeline on it, and fetch a feed over HTTP."""
    from jobs.command.demo import run_demo
    from jobs.settings import Settings

    run_demo(Settings())


@cli.command(
    epilog=examples(
        "reelmill upload clip.mp4 --user ann --title 'My cat' --hashtag cats --hashtag funny",
        "reelmill upload clips/ --user ann",
        "reelmill upload duet.mp4 --user bob --duet-of clip-0000 --land-only",
    )
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE|DIR...")
@click.option("--user", default="me", show_default=True, help="Who uploads.")
@click.option("--title", help="Its title. Default: the file's name.")
@click.option("--hashtag", "hashtags", multiple=True, help="A hashtag, with or without #; may be repeated.")
@click.option("--sound", help="Id of the sound it uses.")
@click.option("--duet-of", help="Id of the video that it is a duet with.")
@click.option("--stitch-of", help="Id of the video that it stitches.")
@click.option("--land-only", is_flag=True, help="Only put the files into the landing area, for a scheduler to pick up.")
def upload(
    paths: tuple[Path, ...],
    user: str,
    title: str | None,
    hashtags: tuple[str, ...],
    sound: str | None,
    duet_of: str | None,
    stitch_of: str | None,
    land_only: bool,
) -> None:
    """Upload clips and publish them; a refused one is kept and gets its reason.

    Exits with 1 when one was not published.
    """
    from jobs.arrivals.landing import land
    from jobs.command import console, progress
    from jobs.media.answers import answers
    from jobs.settings import Settings

    settings = Settings()
    landed = land(
        paths,
        landing=settings.landing,
        user_id=user,
        uploaded_at=datetime.now(UTC),
        title=title,
        hashtags=hashtags,
        sound_id=sound,
        duet_of=duet_of,
        stitch_of=stitch_of,
    )
    console.say(f"{len(landed)} uploads in {settings.landing}")
    if not land_only:
        progress.run_pipeline("ingest", None, settings)
        became = answers(landed, settings)
        console.uploads(became, settings)
        sys.exit(0 if all(answer.status == "published" for answer in became) else 1)


@cli.group(name="import")
def import_() -> None:
    """Bring in a public data set as catalogue and events."""


@import_.command(
    epilog=examples(
        "reelmill import movielens ml-latest-small", "reelmill import movielens ml-latest-small --hold-out 0.2"
    )
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of each person's newest ratings to keep out of the lake, for judging feeds later.",
)
def movielens(folder: Path, hold_out: float) -> None:
    """Import MovieLens: a rating becomes a watch, a tag a hashtag, a movie a title. Then run the nightly pipeline."""
    from jobs.command import console
    from jobs.imports.movielens import import_movielens
    from jobs.settings import Settings

    with console.steps() as tell:
        report = import_movielens(folder, Settings(), hold_out=hold_out, progress=tell)
    console.fields(report)


@cli.command(
    epilog=examples(
        "reelmill run features.users --date 2026-01-18",
        "reelmill run features.videos --start 2026-01-05 --end 2026-01-19    the two weeks from the 5th to the 18th",
        "reelmill run events.ingest                                           what has arrived by now",
    )
)
@click.argument("job")
@as_of
@click.option(
    "--start",
    type=DayOrInstant(),
    help="Instead of --date: work on everything from this instant on, or from the midnight of this day, in one run.",
)
@click.option("--end", type=DayOrInstant(), help="With --start: until this instant or midnight, which is not included.")
def run(job: str, on: date | None, start: date | None, end: date | None) -> None:
    """Run one job for one window. Running it again for the same window gives the same table.

    A job works on whole steps of its own: five minutes, hours, or days (UTC). `reelmill jobs` says which.
    """
    from jobs.command import console
    from jobs.engine.lake import Lake
    from jobs.engine.runner import newest, run_job
    from jobs.engine.spark import session
    from jobs.engine.window import check, requested, window_for
    from jobs.pipeline import find
    from jobs.settings import Settings

    declared, settings = find(job), Settings()
    window = requested(declared.every, on, start, end)
    if window is not None:
        # The runner says the same, some seconds later.
        check(job, declared.every, window, datetime.now(UTC))
    with console.status(f"{job}: starting Spark"):
        spark = session(settings)
    if window is None:
        window = window_for(declared.every, newest(declared.every, Lake(spark, settings)))
    with console.status(f"{job} {window}"):
        done = run_job(declared, window, spark, settings)
    console.run(done)


@cli.command(
    epilog=examples(
        "reelmill pipeline ingest                                 what has arrived by now",
        "reelmill pipeline hourly                                 the newest hour that is over and has watches",
        "reelmill pipeline hourly --date 2026-01-18T09:00Z        the hour from nine to ten",
        "reelmill pipeline nightly --date 2026-01-18",
    )
)
@click.argument("name", type=click.Choice(list(PIPELINES)))
@as_of
def pipeline(name: str, on: date | None) -> None:
    """Run a pipeline: take in what has arrived, then compute for an hour or a day, in one Spark session."""
    from jobs.command import progress
    from jobs.settings import Settings

    progress.run_pipeline(name, on, Settings())


night = click.option("--night", type=Day(), required=True, help="The day as of whose end the feeds are.")


@cli.group()
def feeds() -> None:
    """Serve the feeds of another night than the newest, because somebody decided so."""


@feeds.command("publish", epilog=examples("reelmill feeds publish --night 2026-01-17"))
@night
def feeds_publish(night: date) -> None:
    """Publish a night's feeds from the tables, also when a newer night is current; the next night replaces them."""
    from dataclasses import replace

    from jobs.command import console
    from jobs.engine.runner import run_job
    from jobs.engine.spark import session
    from jobs.engine.window import Window
    from jobs.feeds.publish import publish_again
    from jobs.pipeline import find
    from jobs.settings import Settings

    settings = Settings()
    with console.status("starting Spark"):
        spark = session(settings)
    job = replace(find("feeds.publish"), function=publish_again)
    console.run(run_job(job, Window.of_day(night), spark, settings))


@feeds.command("rollback", epilog=examples("reelmill feeds rollback --night 2026-01-17"))
@night
def feeds_rollback(night: date) -> None:
    """Serve at once the feeds of a night that were replaced less than two days ago, as they were."""
    from jobs.command import console
    from jobs.feeds.publish import rollback
    from jobs.settings import Settings

    console.say(f"served now: {rollback(Settings(), night)}")


@cli.command(epilog=examples("reelmill jobs", "reelmill jobs --json"))
@as_json
def jobs(as_json: bool) -> None:
    """List the jobs in order: how often they run, what they read and write, and when they last did."""
    from jobs.command import console
    from jobs.settings import Settings

    console.jobs(Settings(), as_json)


@cli.command(epilog=examples("reelmill tables", "reelmill tables --json"))
@as_json
def tables(as_json: bool) -> None:
    """List the tables of the lake: path, version, rows and bytes."""
    from jobs.command import console
    from jobs.engine.query import tables as facts
    from jobs.settings import Settings

    console.tables(facts(Settings()), as_json)


@cli.command(
    epilog=examples(
        'reelmill query "SELECT status, count(*) FROM silver.videos GROUP BY ALL"',
        "reelmill query \"SELECT * FROM gold.feeds WHERE user_id = 'viewer-0000' ORDER BY position LIMIT 10\" --json",
        "reelmill query 'SELECT * FROM quarantine.\"bronze.events\"'",
    )
)
@click.argument("sql")
@as_json
def query(sql: str, as_json: bool) -> None:
    """Query the tables by their layer-qualified names, in DuckDB's SQL."""
    from jobs.command import console
    from jobs.engine.query import query as ask
    from jobs.settings import Settings

    console.result(*ask(sql, Settings()), as_json)


@cli.command(
    epilog=examples("reelmill serve", "reelmill serve --port 9000", "curl localhost:8000/v1/feed/viewer-0000?limit=5")
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
def serve(host: str, port: int) -> None:
    """Serve feeds, videos and the event endpoint over HTTP; /docs describes it."""
    from jobs.command.endpoint import serve as run_endpoint
    from jobs.settings import Settings

    run_endpoint(Settings(), host, port)


def main() -> NoReturn:
    """Run the command; an error is one paragraph, and the whole traceback with --debug."""
    debug = "--debug" in sys.argv
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
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
