"""What followed on the feeds of each arm of a comparison, beside the control: counts, ratios, differences by interval.

Belongs here: whose impressions count for which arm, what is counted, and the rows of gold.arm_daily. Who is in which
arm: arms.py, which gold.feeds has written down. The arithmetic: ratios.py. How it is printed: jobs/command/.

A viewer is counted in the arm of the feed that was made for them the night before, shown or not: to count only those
who came back would favour an arm that loses the others. An impression counts for the arm that its feed was of, by
viewer and feed version; what it says of a slot is not asked. So what a viewer saw of a feed of another arm, on the day
on which shares change, counts nowhere.

Numbers are added by viewer in Spark, then over viewers, with their squares: what comes to this process is a row an arm
and day, however many viewers there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from jobs.engine.frames import rows_of
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events.marks import is_marked
from jobs.events.watches import BELONGS
from jobs.feeds.arms import CONTROL
from jobs.feeds.ratios import Sums, difference, mismatch
from jobs.feeds.rewards import SHOWN_FOR, settled
from jobs.ranking.gate import ENOUGH_VIEWERS
from jobs.ranking.moments import grade

FEEDS, IMPRESSIONS, WATCHES, ARMS = "gold.feeds", "silver.impressions", "silver.watches", "gold.arm_daily"
DECIMALS = 6
BY_DAY, BY_COMPARISON = ("event_date", "comparison"), ("comparison",)
# What is so of an arm on all of its days, or on none.
OF_ARM = ("arm_share", "model_version", "policy_version")
WATCHED: Final = "started IS NOT NULL"
# What is counted for each viewer, by what it is of an impression with what followed (`followed`).
COUNTED: Final[Mapping[str, str]] = {
    "slots": "1",
    "watches": f"CAST({WATCHED} AS INT)",
    # The least of NULL and 1 is 1.
    "share": "least(coalesce(share_watched, 0), 1)",
    "finishes": "CAST(coalesce(is_finished, false) AS INT)",
    "likes": "CAST(coalesce(is_liked, false) OR liked_at IS NOT NULL AS INT)",
    "skips": "CAST(coalesce(is_skipped, false) OR skipped_at IS NOT NULL AS INT)",
    "grades": "coalesce(grade, 0)",
}
# Besides, on how many days there was a feed for the viewer, and on how many they were shown any of one.
QUANTITIES = ("days", "seen", *COUNTED)


@dataclass(frozen=True)
class Metric:
    """A ratio of sums of two QUANTITIES, and what it is in words."""

    words: str
    above: str
    below: str


METRICS: Final[Mapping[str, Metric]] = {
    "seen": Metric("viewers with a feed who were shown any of it, of a day", "seen", "days"),
    "slots": Metric("slots shown to a viewer a day, 0 to who did not come", "slots", "days"),
    "watches": Metric("watches of a viewer a day, 0 of who did not come", "watches", "days"),
    "watched": Metric("slots shown that were watched", "watches", "slots"),
    "share_watched": Metric("share of the video that a watch lasted, at most 1", "share", "watches"),
    "finished": Metric("slots shown that were finished", "finishes", "slots"),
    "liked": Metric("slots shown that were liked", "likes", "slots"),
    "skipped": Metric("slots shown that were skipped", "skips", "slots"),
    "grade": Metric("grade of a slot shown, 0 to 4, as gold.examples labels it", "grades", "slots"),
}
# Of these pairs the products are added: of each quantity with itself, and of what a metric has above and below.
PAIRS = tuple(
    dict.fromkeys(
        pair for m in METRICS.values() for pair in ((m.above, m.above), (m.below, m.below), (m.above, m.below))
    )
)


def compared(feeds: DataFrame) -> DataFrame:
    """The first slot of each feed of a comparison: one row for each feed of each night."""
    return feeds.where("position = 0 AND comparison IS NOT NULL")


def followed(firsts: DataFrame, impressions: DataFrame, watches: DataFrame) -> DataFrame:
    """What each viewer made of feeds on a day: event_date, comparison, feed_arm, user_id and sums of COUNTED.

    `firsts` are from `compared`. What a marked watch followed is left out: nobody knows what a person would have done.
    """
    feeds = firsts.select("user_id", "feed_version", "comparison", "feed_arm", _day_after("event_date").alias("night"))
    shown = impressions.join(feeds, on=["user_id", "feed_version"], how="inner").select(
        "comparison",
        "feed_arm",
        "user_id",
        "video_id",
        "started_at",
        "liked_at",
        "skipped_at",
        F.to_date("shown_at").alias("event_date"),
        "night",
    )
    made = watches.select(
        "user_id",
        "video_id",
        "started_at",
        F.col("started_at").alias("started"),
        "share_watched",
        "is_finished",
        "is_liked",
        "is_skipped",
        grade().alias("grade"),
        is_marked().alias("is_marked"),
    )
    return (
        # A feed that is not there yet was not seen, whatever a clock says.
        shown.where("event_date >= night")
        .join(made, on=["user_id", "video_id", "started_at"], how="left")
        .where("NOT coalesce(is_marked, false)")
        .groupBy("event_date", "comparison", "feed_arm", "user_id")
        .agg(*[F.sum(F.expr(counted)).alias(name) for name, counted in COUNTED.items()])
    )


def by_viewer(firsts: DataFrame, made: DataFrame, days: Window) -> DataFrame:
    """Each day of each viewer with a feed for it, in the columns BY_DAY, feed_arm, user_id, OF_ARM and QUANTITIES."""
    assigned = firsts.select(
        _day_after("event_date").alias("event_date"), "comparison", "feed_arm", "user_id", *OF_ARM
    ).where((F.col("event_date") >= F.lit(days.start.date())) & (F.col("event_date") < F.lit(days.end.date())))
    key = ["event_date", "comparison", "feed_arm", "user_id"]
    return assigned.join(made, on=key, how="left").select(
        *key,
        *OF_ARM,
        F.lit(1).alias("days"),
        F.col("slots").isNotNull().cast("int").alias("seen"),
        *[F.coalesce(name, F.lit(0)).alias(name) for name in COUNTED],
    )


def added(of_viewers: DataFrame, by: Sequence[str]) -> DataFrame:
    """A row for each arm and each value of `by`: over viewers, sums of QUANTITIES and of the products of PAIRS."""
    arm = [*by, "feed_arm"]
    spans = of_viewers.groupBy(*arm, "user_id").agg(
        *[F.sum(name).cast("double").alias(name) for name in QUANTITIES],
        *[F.min(name).alias(name) for name in OF_ARM],
        *[F.max(name).alias(f"last_{name}") for name in OF_ARM],
    )
    return spans.groupBy(*arm).agg(
        F.count("*").alias("viewers"),
        F.count_if(F.col("seen") > 0).alias("viewers_seen"),
        *[F.sum(name).alias(name) for name in QUANTITIES],
        *[F.sum(F.col(one) * F.col(other)).alias(f"{one} {other}") for one, other in PAIRS],
        *[_only(F.min(name), F.max(f"last_{name}")).alias(name) for name in OF_ARM],
    )


def rows(sums: Iterable[Row], by: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of gold.arm_daily from what was `added`, of each arm one for each of METRICS."""

    def span(one: Row) -> tuple[Any, ...]:
        return tuple(one[name] for name in by)

    found = []
    for _, arms in groupby(sorted(sums, key=lambda one: (*span(one), one["feed_arm"])), key=span):
        beside = list(arms)
        control = next((one for one in beside if one["feed_arm"] == CONTROL), None)
        found += [
            {**{name: one[name] for name in by}, **_row(name, metric, one, control, beside)}
            for one in beside
            for name, metric in METRICS.items()
        ]
    return found


def together(lake: Lake, comparison: str, first: date, last: date) -> list[dict[str, Any]]:
    """What a comparison came to over its days from the first to the last, in the columns of gold.arm_daily but the day.

    Viewers are drawn once, with all of their days. Days whose feeds have left gold.feeds do not count.
    """
    days = Window(Window.of_day(first).start, Window.of_day(last).end)
    firsts = compared(lake.read(FEEDS, until=days.end)).where(F.col("comparison") == comparison)
    watches = lake.read(WATCHES, since=days.start, until=days.end + BELONGS)
    made = followed(firsts, lake.of(IMPRESSIONS, days), watches)
    return rows(added(by_viewer(firsts, made, days), BY_COMPARISON).collect(), BY_COMPARISON)


def _row(name: str, metric: Metric, one: Row, control: Row | None, beside: Sequence[Row]) -> dict[str, Any]:
    """One metric of one arm. Whether arms have their viewers is told once, in the control's row of who was seen.

    Where the control itself is missing, the first arm tells it.
    """
    own = _sums(one, metric)
    is_enough = control is not None and min(one["viewers_seen"], control["viewers_seen"]) >= ENOUGH_VIEWERS
    gap = difference(own, _sums(control, metric)) if control is not None and is_enough and one is not control else None
    is_told = one is (control or beside[0]) and name == "seen"
    return {
        "feed_arm": one["feed_arm"],
        "metric": name,
        **{column: one[column] for column in OF_ARM},
        "viewers": one["viewers"],
        "viewers_seen": one["viewers_seen"],
        "above": round(own.above, DECIMALS),
        "below": round(own.below, DECIMALS),
        "value": None if own.ratio is None else round(own.ratio, DECIMALS),
        "difference": round(gap.value, DECIMALS) if gap else None,
        "low": round(gap.low, DECIMALS) if gap else None,
        "high": round(gap.high, DECIMALS) if gap else None,
        "mismatch": _mismatch(beside) if is_told else None,
    }


def _sums(one: Row, metric: Metric) -> Sums:
    above, below = metric.above, metric.below
    return Sums(
        one["viewers"],
        one[above],
        one[below],
        one[f"{above} {above}"],
        one[f"{below} {below}"],
        one[f"{above} {below}"],
    )


def _mismatch(arms: Sequence[Row]) -> float | None:
    """Of the viewers who were seen; None where an arm's share was another one on another day."""
    shares = [one["arm_share"] for one in arms]
    return None if None in shares else round(mismatch([one["viewers_seen"] for one in arms], shares), DECIMALS)


def _only(least: Column, most: Column) -> Column:
    return F.when(least == most, least)


def _day_after(day: str) -> Column:
    return F.date_add(day, 1)


@job(every="night", reads=[FEEDS, IMPRESSIONS, WATCHES], writes=[ARMS])
def run(lake: Lake, window: Window) -> None:
    """Where nothing was compared, or no client says what it shows, there is nothing to write or to replace."""
    days = settled(window)
    firsts = compared(lake.read(FEEDS, since=days.start - SHOWN_FOR, until=days.end))
    if not lake.exists(IMPRESSIONS) or firsts.isEmpty():
        return
    watches = lake.read(WATCHES, since=days.start, until=days.end + BELONGS)
    made = followed(firsts, lake.of(IMPRESSIONS, days), watches)
    found = rows(added(by_viewer(firsts, made, days), BY_DAY).collect(), BY_DAY)
    lake.replace(ARMS, rows_of(lake.spark, ARMS, found), days, empty_is_a_fact=True)
