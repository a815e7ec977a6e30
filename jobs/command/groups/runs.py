"""Commands that run jobs, list them, and say what is late and what a change makes anew: run, pipeline, late, plan, ...

Belongs here: for which window. How a pipeline is shown while it runs: progress.py. The loop of watch: watch.py.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime

import click

from jobs.command.options import Day, DayOrInstant, as_json, as_of, examples
from jobs.engine.cadence import PIPELINES

# Of `reelmill late` and `reelmill status`: 1 is an error, and 2 a command that is written wrongly.
SOMETHING_IS_WRONG = 3


@click.command(
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


@click.command(
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


@click.command(
    epilog=examples(
        "reelmill watch media.ingest media.publish",
        "reelmill watch events.ingest events.watches features.hourly_videos features.hourly_hashtags",
    )
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("--every", "every_s", default=10.0, show_default=True, type=click.FloatRange(1), help="Seconds.")
def watch(jobs: tuple[str, ...], every_s: float) -> None:
    """Run five-minute jobs whenever something has arrived for them, in order, until this is stopped.

    Hourly jobs too: once an hour is over, if anything has arrived since they last ran.
    """
    from jobs.command.watch import watch as keep_watching
    from jobs.pipeline import find
    from jobs.settings import Settings

    keep_watching([find(name) for name in jobs], every_s, Settings())


@click.command(epilog=examples("reelmill jobs", "reelmill jobs --json"))
@as_json
def jobs(as_json: bool) -> None:
    """List the jobs in order: how often they run, what they read and write, and when they last did."""
    from jobs.command import console
    from jobs.settings import Settings

    console.jobs(Settings(), as_json)


@click.command(
    epilog=examples("reelmill late", "reelmill late --json", "reelmill late || mail -s 'Reelmill is late' ops")
)
@as_json
def late(as_json: bool) -> None:
    """Say which tables are later than their contracts promise, which run is to blame, and where it began upstream.

    Ends with 0 when none is, and with 3 when some are.
    """
    from jobs.command import console
    from jobs.engine.late import late as find_late
    from jobs.pipeline import JOBS
    from jobs.settings import Settings

    found = find_late(JOBS.values(), Settings(), datetime.now(UTC))
    console.late(found, as_json)
    if found:
        sys.exit(SOMETHING_IS_WRONG)


@click.command(
    epilog=examples(
        "reelmill status", "reelmill status --json", "reelmill status || mail -s 'Reelmill needs somebody' ops"
    )
)
@as_json
def status(as_json: bool) -> None:
    """Say in a few lines what needs a person: late tables, and what is beyond the limits of contracts.

    Of the latter each line names a feature, how far it is from what it should be, and what to do. Ends with 0 when
    nothing does, and with 3 when something does.
    """
    from jobs.command import console
    from jobs.engine.late import late as find_late
    from jobs.engine.limits import measured
    from jobs.pipeline import JOBS
    from jobs.settings import Settings

    settings = Settings()
    overdue, limited = find_late(JOBS.values(), settings, datetime.now(UTC)), list(measured(settings))
    console.condition(overdue, limited, as_json)
    if overdue or any(each.beyond for each in limited):
        sys.exit(SOMETHING_IS_WRONG)


@click.command(
    epilog=examples(
        "reelmill plan features.users --since 2026-01-05",
        "reelmill plan gold.user_daily --since 2026-01-05 --json",
    )
)
@click.argument("name", metavar="JOB|TABLE")
@click.option("--since", required=True, type=Day(), help="The first day (UTC) that is made anew.")
@as_json
def plan(name: str, since: date, as_json: bool) -> None:
    """Say what a change of a job, or a backfill, makes anew from a day on, before anything runs.

    Of a table it is the job that writes it. Each job that reads what is made anew follows, in order: over which days,
    whether by itself or by which command, at most how many rows of its tables, and how long one run took last.
    """
    from jobs.command import console
    from jobs.engine.plan import plan as forecast
    from jobs.pipeline import JOBS, WRITERS, find
    from jobs.settings import Settings

    first = WRITERS.get(name) or find(name)
    console.plan(forecast(JOBS.values(), first, since, Settings()), as_json)
