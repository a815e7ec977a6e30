"""Before a change is run, it is known which jobs work again, over which days, and who has to ask them to."""

from dataclasses import replace
from datetime import date

import pytest

from jobs.engine.job import Job
from jobs.engine.plan import NothingToMakeAnew, Step, plan
from jobs.settings import Settings
from tests.contracted import put

SINCE = date(2026, 1, 17)


@pytest.fixture
def jobs(noop: Job) -> list[Job]:
    """Watches become a feature and candidates; both become feeds, which are published and looked back on."""
    return [
        replace(noop, name="watches", every="5min", reads=("bronze.events",), writes=("silver.watches",)),
        replace(noop, name="users", every="day", reads=("silver.watches",), writes=("gold.user_daily",)),
        replace(noop, name="others", every="day", reads=("silver.watches",), writes=("gold.candidates",)),
        replace(noop, name="feeds", every="night", reads=("gold.user_daily", "gold.feeds"), writes=("gold.feeds",)),
        replace(noop, name="publish", every="night", reads=("gold.feeds",), writes=()),
    ]


@pytest.fixture
def home(settings: Settings) -> Settings:
    """Its newest day with watches is the 18th; one feature is of the 16th, two are of later."""
    put(settings, "silver.watches", {"user_id": "ann", "started_at": "2026-01-18T09:00Z"})
    put(settings, "gold.user_daily", {"user_id": "ann", "event_date": "2026-01-16"})
    put(settings, "gold.user_daily", *({"user_id": "ann", "event_date": f"2026-01-{day}"} for day in (17, 18)))
    run = {"run_id": "1", "window_start": "2026-01-18", "window_end": "2026-01-19", "started_at": "2026-01-19"}
    put(settings, "ops.job_runs", {**run, "job": "users", "seconds": 12.5, "status": "succeeded", "writes": []})
    return settings


def planned(name: str, jobs: list[Job], home: Settings) -> dict[str, Step]:
    first = next(job for job in jobs if job.name == name)
    return {step.job: step for step in plan(jobs, first, SINCE, home)}


def test_what_reads_what_is_made_anew_follows_and_nothing_else(jobs: list[Job], home: Settings) -> None:
    steps = planned("users", jobs, home)
    assert list(steps) == ["users", "feeds", "publish"]
    assert [step.because for step in steps.values()] == [(), ("gold.user_daily",), ("gold.feeds",)]
    assert {str(step.window) for step in steps.values()} == {"[2026-01-17T00:00, 2026-01-19T00:00)"}


def test_a_day_job_takes_all_days_in_one_run_and_a_night_job_each_night_by_itself(
    jobs: list[Job], home: Settings
) -> None:
    steps = planned("users", jobs, home)
    assert {name: step.runs for name, step in steps.items()} == {"users": 1, "feeds": 2, "publish": 2}
    assert steps["users"].how == "reelmill run users --start 2026-01-17 --end 2026-01-19"
    assert (steps["users"].rows, steps["users"].last_seconds) == (2, 12.5)
    assert steps["feeds"].how == (
        "does the newest in its next run by itself; those before it only by reelmill run feeds --date 2026-01-17, "
        "and so on to 2026-01-18"
    )


def test_what_takes_in_what_arrives_makes_no_day_again_while_daily_jobs_make_up_for_it(
    jobs: list[Job], home: Settings
) -> None:
    steps = planned("watches", jobs, home)
    assert (steps["watches"].runs, steps["watches"].how) == (
        *(0, "takes in only what is new, and makes none of these days again"),
    )
    assert steps["users"].how == "does these days in its next run by itself, since what it reads differs"
    assert list(steps) == [job.name for job in jobs]


def test_a_day_after_the_newest_has_nothing_to_make_anew(jobs: list[Job], home: Settings) -> None:
    with pytest.raises(NothingToMakeAnew, match="newest day that is over and has watches is 2026-01-18"):
        plan(jobs, jobs[1], date(2026, 1, 19), home)
