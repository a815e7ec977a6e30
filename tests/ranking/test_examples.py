"""Examples: the label says what followed, the features only what was known before."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.ranking.examples import examples
from jobs.ranking.moments import at_snapshots, impressions, labelled, sampled, shown_at_moments, snapshots

Make = Callable[..., DataFrame]
MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)


def hour(n: float) -> datetime:
    return MIDNIGHT + timedelta(hours=n)


def moments_of(events: DataFrame) -> DataFrame:
    return shown_at_moments(impressions(events), None)


def rows_of(frame: DataFrame | None) -> list[Row]:
    assert frame is not None
    return sorted(frame.collect(), key=lambda r: (r.user_id, r.shown_at, r.video_id))


def test_an_impression_is_labelled_by_the_strongest_thing_that_followed(events_of: Make, watches_of: Make) -> None:
    said: dict[str, dict[str, object]] = {
        "skipped": {"share_watched": 0.1},
        "partly": {"share_watched": 0.5},
        "finished": {},
        "liked": {"is_liked": True},
        "followed": {"is_liked": True, "is_followed": True},
        "unwanted": {"is_not_interested": True},
    }
    shown = moments_of(events_of(*[("ann", v, hour(n), n) for n, v in enumerate([*said, "ignored"])]))
    watches = watches_of(*[("ann", v, hour(n + 0.5), more) for n, (v, more) in enumerate(said.items())])
    labels = {r.video_id: r.label for r in labelled(shown, watches).collect()}
    assert labels == {
        "ignored": 0, "skipped": 0, "unwanted": 0, "partly": 1, "finished": 2, "liked": 3, "followed": 4
    }  # fmt: skip


def test_a_watch_before_the_impression_or_days_after_it_does_not_label_it(events_of: Make, watches_of: Make) -> None:
    shown = moments_of(events_of(("ann", "a", hour(10), 0), ("ann", "b", hour(10), 1)))
    labels = labelled(shown, watches_of(("ann", "a", hour(9)), ("ann", "b", hour(40))))
    assert {r.label for r in labels.collect()} == {0}


def test_what_was_shown_and_then_watched_as_no_person_can_is_no_example(events_of: Make, watches_of: Make) -> None:
    shown = moments_of(events_of(("ann", "a", hour(1), 0), ("ann", "b", hour(1), 1)))
    watches = watches_of(("ann", "a", hour(2), {"marks": ["too_fast"]}), ("ann", "a", hour(3), {"is_liked": True}))
    assert [(r.video_id, r.label) for r in labelled(shown, watches).collect()] == [("b", 0)]


def test_a_moment_knows_the_latest_snapshot_before_its_day(events_of: Make) -> None:
    shown = moments_of(events_of(*[("ann", f"v{day}", hour(24 * day + 5), 0) for day in range(12)]))
    moments = shown.select("user_id", "at")
    chosen = snapshots(moments)
    assert chosen == [hour(48 * n) for n in range(6)]
    assert all(r.snapshot_at == max(s.replace(tzinfo=None) for s in chosen if s.replace(tzinfo=None) <= r["at"])
               for r in at_snapshots(moments, chosen).collect())  # fmt: skip


def test_viewers_without_impressions_are_labelled_by_what_they_watched_next(
    watches_of: Make, videos_of: Make, events_of: Make
) -> None:
    videos, others = [f"v{n:02}" for n in range(20)], [f"x{n:02}" for n in range(12)]
    # The others also watched what the late one will not: those are the negatives.
    past = [(f"past{u}", v, hour(n)) for u in range(3) for n, v in enumerate([*videos, *others])]
    since = [("late", v, hour(100 + n), {"share_watched": 0.7}) for n, v in enumerate(videos)]
    newest = [(f"judge{u}", v, hour(200 + n / 9)) for u in range(5) for n, v in enumerate(videos)]
    catalogue = videos_of(*[(v,) for v in [*videos, *others]])
    rows = rows_of(examples(watches_of(*past, *since, *newest), catalogue, events_of(), None))
    assert {r.user_id for r in rows if r.is_judging} == {f"judge{u}" for u in range(5)}
    late = [r for r in rows if r.user_id == "late"]
    assert {r.shown_at for r in late} == {hour(100 + n).replace(tzinfo=None) for n in (8, 12, 16)}
    # The first candidate is what the others watched next, and it is what this one watched next.
    best = [r.label for r in late if r.item_item_rank == 1]
    assert best == [2, 2, 2]
    assert not any(r.is_judging for r in late)
    assert all(r.position is None and r["at"] == r.shown_at for r in late)


def test_more_moments_than_the_budget_leave_whole_ones_the_same_on_every_run(spark: SparkSession) -> None:
    rows = (
        spark.range(4000).selectExpr("concat('u', id % 1000) user_id", "id video_id").withColumn("at", F.lit(hour(0)))
    )
    chosen = sampled(rows, expected=4000, budget=1000)
    sizes = {r.user_id: r["count"] for r in chosen.groupBy("user_id").count().collect()}
    assert set(sizes.values()) == {4}
    assert 200 < len(sizes) < 300
    assert {r.user_id for r in sampled(rows.repartition(7), 4000, 1000).collect()} == set(sizes)
    assert sampled(rows, expected=1000, budget=1000) is rows


def test_what_was_shown_is_known_as_the_night_knew_it_whose_feed_was_shown(
    watches_of: Make, videos_of: Make, events_of: Make, candidates_of: Make
) -> None:
    videos = videos_of(("cats",), ("dogs",), ("bees",))
    night, later = "20240301.item_item_order", "20240304.item_item_order"
    shown = events_of(
        *[("ann", video, hour(82), slot, night) for slot, video in enumerate(["cats", "dogs", "bees"])],
        # This feed's night ends after they saw it: its candidates may know what they did.
        *[("ben", video, hour(82), slot, later) for slot, video in enumerate(["cats", "dogs"])],
        ("judge", "cats", hour(200), 0),
    )
    kept = [("ann", "cats", "popular", 40.0, 1), ("ann", "dogs", "popular", 10.0, 2)]
    nights = candidates_of(
        *[(date(2024, 3, 1), *row) for row in kept], (date(2024, 3, 4), "ben", "cats", "fresh", 9.0, 1)
    )
    watches = watches_of(("ann", "cats", hour(83)), ("ben", "dogs", hour(83)), ("cid", "dogs", hour(50)))
    rows = [r for r in rows_of(examples(watches, videos, shown, nights)) if not r.is_judging]
    told = {(r.user_id, r.video_id): (r["at"], r.popular_score, r.popular_share, r.fresh_rank, r.label) for r in rows}
    # Nobody proposed bees to ann; what somebody did on the next day is not in the candidates of that night.
    end, day = hour(24).replace(tzinfo=None), hour(72).replace(tzinfo=None)
    assert told == {
        ("ann", "cats"): (end, 40.0, 1.0, None, 2),
        ("ann", "dogs"): (end, 10.0, 0.25, None, 0),
        ("ben", "cats"): (day, None, None, 2, 0),
        ("ben", "dogs"): (day, 1.0, 1.0, 3, 2),
    }


def test_a_moment_that_judges_has_every_candidate_and_whatever_was_watched_from_then_on(
    watches_of: Make, videos_of: Make, events_of: Make, candidates_of: Make
) -> None:
    videos = videos_of(("cats",), ("dogs",), ("bees",), ("seen",), ("later", {"published_at": hour(30)}))
    kept = [("ann", "cats", "popular", 40.0, 1), ("ann", "dogs", "popular", 10.0, 2)]
    nights = candidates_of(*[(date(2024, 3, 1), *row) for row in kept])
    shown = events_of(("ann", "cats", hour(26), 0, "20240301.item_item_order"))
    watches = watches_of(
        ("ann", "seen", hour(2)),
        ("ann", "seen", hour(27)),
        ("ann", "dogs", hour(28), {"is_liked": True}),
        ("ann", "bees", hour(29), {"share_watched": 0.5}),
        ("ann", "later", hour(31)),
        ("ann", "cats", hour(32), {"share_watched": 0.1}),
    )
    rows = rows_of(examples(watches, videos, shown, nights))
    assert {r.video_id: (r.popular_rank, r.label) for r in rows} == {"cats": (1, 0), "dogs": (2, 3), "bees": (None, 1)}
    end = hour(24).replace(tzinfo=None)
    assert {(r["at"], r.shown_at, r.position, r.is_judging) for r in rows} == {(end, end, None, True)}


def test_nobody_with_a_past_means_no_examples(watches_of: Make, videos_of: Make, events_of: Make) -> None:
    assert examples(watches_of(("ann", "a", hour(1))), videos_of(("a",)), events_of(), None) is None


@pytest.mark.parametrize("judges", [True, False])
def test_changing_the_future_changes_no_feature_of_a_past_example(
    watches_of: Make, videos_of: Make, events_of: Make, judges: bool
) -> None:
    videos = videos_of(*[(f"v{n}",) for n in range(9)])
    past = [(u, f"v{n}", hour(n)) for u in ("ann", "ben", "cid") for n in range(6)]
    newest = [] if judges else [("judge", "v0", hour(200), 0)]
    shown = events_of(*[("ann", f"v{n}", hour(24 + n), n) for n in range(6, 9)], *newest)
    liked = ("ann", "v6", hour(31), {"is_liked": True})
    # What happens from the day of the impressions on: others watch everything, ann watches v7 at once.
    future = [("ann", "v7", hour(32)), *[(u, f"v{n}", hour(25 + n)) for u in ("ben", "cid", "dan") for n in range(9)]]
    before = [r for r in rows_of(examples(watches_of(*past, liked), videos, shown, None)) if r.user_id == "ann"]
    after = rows_of(examples(watches_of(*past, liked, *future), videos, shown, None))
    known = {r.video_id: r for r in after if r.user_id == "ann"}
    assert [(r.video_id, r.is_judging) for r in before] == [(video, judges) for video in ("v6", "v7", "v8")]
    for row in before:
        later = known[row.video_id].asDict()
        if row.video_id == "v7":
            assert (row.label, later["label"]) == (0, 2)
        assert {**later, "label": row.label} == row.asDict()
