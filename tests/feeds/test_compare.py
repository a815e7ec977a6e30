"""What followed in each arm: impressions count for the feed that they were of, viewers whether they came or not."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import Row

import data_contracts
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.feeds import compare
from jobs.feeds.arms import CONTROL
from jobs.feeds.compare import ARMS, BY_DAY, COUNTED, METRICS, PAIRS, QUANTITIES, rows, together
from jobs.feeds.rewards import SETTLED
from jobs.ranking.gate import ENOUGH_VIEWERS
from tests.contracted import put

NIGHT = date(2024, 3, 8)
DAY = timedelta(days=1)
NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)
# The night by whose end all that follows on what was shown on the day after NIGHT has happened.
LATER = Window.of_day(NOON.date() + SETTLED)


def feed(user: str, arm: str | None, night: date = NIGHT) -> dict[str, Any]:
    """The first slot of one, and the second, which says nothing more."""
    slot = {"user_id": user, "position": 0, "video_id": "a", "event_date": night, "feed_version": f"{night:%Y%m%d}.m.c"}
    slot |= {"model_version": f"of {arm}", "policy_version": "p", "score": 1.0, "reason": "why"}
    return slot | ({"comparison": "now", "feed_arm": arm, "arm_share": 0.5} if arm else {})


def shown(user: str, video: str, at: datetime = NOON, night: date = NIGHT, **more: Any) -> dict[str, Any]:
    row = {"user_id": user, "video_id": video, "shown_at": at, "position": 3, "feed_version": f"{night:%Y%m%d}.m.c"}
    return row | more


def watch(user: str, video: str, started_at: datetime = NOON, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {c.name: False for c in data_contracts.load("silver.watches").columns if c.type == "boolean"}
    row |= {"user_id": user, "video_id": video, "started_at": started_at, "share_watched": 0.5, "watch_ms": 9}
    return row | more


def test_a_viewer_counts_in_their_arm_of_the_day_and_an_impression_for_the_feed_that_it_was_of(lake: Lake) -> None:
    for table in ("gold.feeds", "silver.impressions", "silver.watches"):
        put(lake.settings, table)
    put(lake.settings, "gold.feeds", feed("fay", None))
    compare.run(lake, LATER)
    assert not lake.exists(ARMS), "nothing is compared"

    second = {"position": 1, "video_id": "b"}
    # Ann and eve have older feeds too: of the same arm, and of another one.
    older = [feed("ann", "bold", NIGHT - DAY), feed("eve", "bold", NIGHT - DAY)]
    bold = [feed("ann", "bold"), feed("ann", "bold") | second, feed("dan", "bold")]
    put(lake.settings, "gold.feeds", *bold, feed("ben", CONTROL), feed("eve", CONTROL), *older)
    put(
        lake.settings,
        "silver.impressions",
        shown("ann", "a", started_at=NOON),
        shown("ann", "b", night=NIGHT - DAY, skipped_at=NOON),
        shown("ann", "c", liked_at=NOON),
        shown("ann", "d", NOON + DAY),
        shown("ann", "e", feed_version=None),
        shown("ben", "a", started_at=NOON),
        shown("ben", "b", started_at=NOON),
        shown("eve", "a", night=NIGHT - DAY),
        shown("fay", "a"),
        shown("zoe", "a"),
    )
    put(
        lake.settings,
        "silver.watches",
        watch("ann", "a", share_watched=1.5, is_finished=True, is_liked=True),
        watch("ben", "a", share_watched=0.25),
        watch("ben", "b", marks=["too_fast"]),
    )
    lake = Lake(lake.spark, lake.settings)
    compare.run(lake, LATER)
    found = {
        (row.feed_arm, row.metric): row for row in lake.read(ARMS).where(f"event_date = '{NOON.date()}'").collect()
    }
    assert set(found) == {(arm, metric) for arm in ("bold", CONTROL) for metric in METRICS}
    assert {(row.viewers, row.viewers_seen, row.model_version) for (arm, _), row in found.items() if arm == "bold"} == {
        (2, 1, "of bold")
    }
    assert {metric: (row.above, row.below) for (arm, metric), row in found.items() if arm == "bold"} == {
        "seen": (1, 2),
        "slots": (3, 2),
        "watches": (1, 2),
        "watched": (1, 3),
        "share_watched": (1, 1),
        "finished": (1, 3),
        "liked": (2, 3),
        "skipped": (1, 3),
        "grade": (3, 3),
    }
    control = {metric: (row.above, row.below) for (arm, metric), row in found.items() if arm == CONTROL}
    # Of ben's two slots, one was watched by no person; eve was shown a feed of another arm.
    assert (control["seen"], control["slots"], control["share_watched"]) == ((1, 2), (1, 2), (0.25, 1))
    # Too few viewers for an interval, and one of each arm is what was to be expected.
    assert all(row.difference is None for row in found.values()) and found[CONTROL, "seen"].mismatch == 0
    # The older feeds were for the day before, on which nobody was shown anything; ann had two days in all.
    (before,) = lake.read(ARMS).where(f"event_date = '{NIGHT}' AND metric = 'seen'").collect()
    assert (before.feed_arm, before.viewers, before.viewers_seen) == ("bold", 2, 0)
    whole = {(row["feed_arm"], row["metric"]): row for row in together(lake, "now", NIGHT, NOON.date())}
    seen, slots = whole["bold", "seen"], whole["bold", "slots"]
    assert (seen["viewers"], seen["viewers_seen"], seen["above"], seen["below"]) == (3, 1, 1, 4)
    assert (slots["above"], slots["below"]) == (3, 4)


def arm(name: str, viewers: int, likes: float, share: float | None = 0.5) -> Row:
    """Viewers who saw ten slots each and liked some."""
    sums = dict.fromkeys(QUANTITIES, 0.0) | {"slots": viewers * 10.0, "likes": likes, "days": viewers, "seen": viewers}
    squares = {f"{one} {other}": sums[one] * sums[other] / viewers for one, other in PAIRS}
    squares["likes likes"] = 2 * likes
    of_arm = {"arm_share": share, "model_version": "m", "policy_version": "p"}
    return Row(
        event_date=NIGHT,
        comparison="now",
        feed_arm=name,
        viewers=viewers,
        viewers_seen=viewers,
        **sums,
        **squares,
        **of_arm,
    )


def test_a_difference_is_that_to_the_control_of_the_same_comparison_and_day() -> None:
    other_day = arm(CONTROL, 200, 400).asDict() | {"event_date": NIGHT + DAY}
    found = rows([arm(CONTROL, 200, 100), arm("bold", 200, 140), Row(**other_day)], BY_DAY)
    assert len(found) == 3 * len(METRICS)
    liked = {(row["event_date"], row["feed_arm"]): row for row in found if row["metric"] == "liked"}
    bold = liked[NIGHT, "bold"]
    assert (bold["value"], bold["difference"]) == (0.07, 0.02) and bold["low"] < 0.02 < bold["high"]
    assert liked[NIGHT, CONTROL]["difference"] is None
    told = [row["mismatch"] for row in found if row["mismatch"] is not None]
    assert told == [0, pytest.approx(1)], "the second day lacks an arm with half of all viewers"


@pytest.mark.parametrize(("viewers", "share"), [(ENOUGH_VIEWERS - 1, 0.5), (ENOUGH_VIEWERS, None)])
def test_few_viewers_have_no_interval_and_shares_that_changed_no_mismatch(viewers: int, share: float | None) -> None:
    found = rows([arm(CONTROL, 200, 100, share), arm("bold", viewers, 50, share)], BY_DAY)
    assert any(row["difference"] is not None for row in found) == (viewers >= ENOUGH_VIEWERS)
    assert any(row["mismatch"] is not None for row in found) == (share is not None)


def test_all_that_is_counted_is_in_a_metric() -> None:
    assert {*COUNTED, "seen", "days"} == {part for metric in METRICS.values() for part in (metric.above, metric.below)}
