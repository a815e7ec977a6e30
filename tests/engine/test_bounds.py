"""What a merge looks at: all that may have a key of the batch, and little else."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.bounds import MOST_SPANS, near

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
instants = st.integers(0, 90 * 86_400_000_000).map(lambda micros: JANUARY + timedelta(microseconds=micros))


def _near(instants: list[datetime], slack: timedelta) -> list[tuple[datetime, datetime]]:
    return near(min(instants), max(instants), {at.date() for at in instants}, slack)


@given(
    batch=st.lists(instants, min_size=1, max_size=60),
    slack=st.sampled_from([timedelta(), timedelta(minutes=5), DAY, 3 * DAY]),
    by=st.floats(-1, 1),
)
def test_whatever_is_within_the_slack_of_an_instant_of_the_batch_is_near(
    batch: list[datetime], slack: timedelta, by: float
) -> None:
    spans = _near(batch, slack)
    assert all(any(begin <= at + by * slack <= end for begin, end in spans) for at in batch)
    assert spans == sorted(spans) and len(spans) <= MOST_SPANS


def test_one_event_of_a_month_ago_leaves_the_month_alone() -> None:
    noon, hour, instant = JANUARY + timedelta(hours=12), timedelta(hours=1), timedelta(microseconds=1)
    assert _near([noon, noon + 30 * DAY], hour) == [
        (noon - hour, JANUARY + DAY - instant + hour),
        (JANUARY + 30 * DAY - hour, noon + 30 * DAY + hour),
    ]
