"""What a contract's freshness means for a schedule."""

from dataclasses import replace
from datetime import timedelta

from jobs.engine.freshness import allowed, patience, promise
from jobs.engine.job import Job


def test_a_table_may_be_as_old_as_it_promises_and_some_grace() -> None:
    assert (promise("bronze.events"), allowed("bronze.events")) == (timedelta(minutes=5), timedelta(minutes=10))
    assert (promise("gold.feeds"), allowed("gold.feeds")) == (timedelta(days=1), timedelta(hours=25))


def test_a_deadline_leaves_a_run_what_is_left_of_that_after_the_step_since_the_run_before(noop: Job) -> None:
    assert patience("bronze.events", replace(noop, every="5min")) == timedelta(minutes=5)
    assert patience("gold.user_daily", noop) == timedelta(hours=1)
