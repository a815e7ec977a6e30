"""Candidates: what each source proposes, and that none of them knows the future."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.ranking import propose as propose_module
from jobs.ranking.candidates import candidates
from jobs.ranking.propose import moments_at, propose
from jobs.ranking.refused import refusals
from jobs.ranking.sources import Moment, Proposal
from jobs.ranking.watched import World, first_watches

Make = Callable[..., DataFrame]
MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
DAY = date(2024, 3, 9)
TONIGHT = MIDNIGHT + timedelta(days=9)


def hour(n: float) -> datetime:
    return MIDNIGHT + timedelta(hours=n)


def proposed(frame: DataFrame, user: str, source: str) -> list[Row]:
    """What a source proposes to a user, best first."""
    return sorted((r for r in frame.collect() if (r.user_id, r.source) == (user, source)), key=lambda r: r["rank"])


@pytest.fixture
def followed(watches_of: Make) -> DataFrame:
    """Three viewers watch a, then b; one of them c much later. New has watched a."""
    told = [(user, "a", hour(1)) for user in ("ann", "ben", "cid")]
    told += [(user, "b", hour(2)) for user in ("ann", "ben", "cid")]
    return watches_of(*told, ("cid", "c", hour(3)), ("new", "a", hour(4)))


def test_what_others_watched_next_is_proposed_with_the_watched_video_as_reason(
    followed: DataFrame, videos_of: Make
) -> None:
    tonight = candidates(followed, videos_of(("a",), ("b",), ("c",)), DAY, TONIGHT)
    first, second = proposed(tonight, "new", "item_item")
    assert (first.video_id, first.because) == ("b", "a")
    assert second.video_id == "c"
    assert first.score > second.score > 0


def test_similarity_points_forward_in_time(followed: DataFrame, videos_of: Make, watches_of: Make) -> None:
    last = watches_of(("new", "b", hour(5)))
    tonight = candidates(
        followed.where("user_id <> 'new'").union(last), videos_of(("a",), ("b",), ("c",)), DAY, TONIGHT
    )
    assert [r.video_id for r in proposed(tonight, "new", "item_item")] == ["c"]


def test_a_video_that_the_viewer_has_watched_is_never_proposed(followed: DataFrame, videos_of: Make) -> None:
    tonight = candidates(followed, videos_of(("a",), ("b",), ("c",)), DAY, TONIGHT)
    watched = {(r.user_id, r.video_id) for r in followed.collect()}
    assert not watched & {(r.user_id, r.video_id) for r in tonight.collect()}
    assert proposed(tonight, "cid", "popular") == []


def test_what_is_rejected_or_not_published_yet_is_never_proposed(followed: DataFrame, videos_of: Make) -> None:
    videos = videos_of(("a",), ("b", {"status": "rejected"}), ("c", {"published_at": TONIGHT + timedelta(days=1)}))
    assert {r.video_id for r in candidates(followed, videos, DAY, TONIGHT).collect()} <= {"a"}


def test_what_the_viewer_refused_or_made_is_never_proposed_and_a_refusal_counts_from_its_time_on(
    followed: DataFrame, videos_of: Make, events_of: Make
) -> None:
    videos = videos_of(("a",), ("b",), ("c", {"user_id": "new"}), ("d",), ("e",))
    shown = events_of(("new", "d", hour(5), 0), ("new", "b", hour(6), 1), ("cid", "e", hour(7), 2))
    refused = refusals(
        shown.withColumn("event_type", F.expr("IF(video_id = 'd', 'report', 'not_interested')"))
        .union(events_of(("new", "e", hour(8), 0)))
        .union(events_of(("new", "b", hour(300), 0)).withColumn("event_type", F.lit("report")))
    )
    tonight = candidates(followed, videos, DAY, TONIGHT, refused).collect()
    assert {r.video_id for r in tonight if r.user_id == "new"} == {"e"}
    assert {r.video_id for r in tonight if r.user_id == "cid"} == {"d"}
    before = followed.select("user_id", F.lit(hour(5.5)).alias("at"), F.lit(hour(5)).alias("snapshot_at")).distinct()
    then = propose(first_watches(followed), videos, before, refused).collect()
    assert {r.video_id for r in then if r.user_id == "new"} == {"b", "e"}


def test_popular_counts_viewers_and_breaks_ties_by_id(watches_of: Make, videos_of: Make) -> None:
    watches = watches_of(
        *[(f"u{n}", "hit", hour(n)) for n in range(5)],
        *[("x", v, hour(9)) for v in ("tie2", "tie1")],
        ("me", "z", hour(9)),
    )
    tonight = candidates(watches, videos_of(("hit",), ("tie1",), ("tie2",), ("z",)), DAY, TONIGHT)
    best = proposed(tonight, "me", "popular")
    assert [(r.video_id, r.score) for r in best] == [("hit", 5.0), ("tie1", 1.0), ("tie2", 1.0)]


def test_a_quiet_week_makes_popular_look_further_back(watches_of: Make, videos_of: Make) -> None:
    tonight = candidates(watches_of(("u", "a", hour(1)), ("me", "b", hour(2))), videos_of(("a",), ("b",)), DAY, TONIGHT)
    assert proposed(tonight, "me", "popular")[0].because == "36500"


def test_fresh_prefers_the_viewers_hashtags_and_names_one(watches_of: Make, videos_of: Make) -> None:
    videos = videos_of(
        ("old", {"hashtags": ["cats"]}),
        ("new cat", {"hashtags": ["cats"], "published_at": hour(100)}),
        ("new dog", {"hashtags": ["dogs"], "published_at": hour(101)}),
    )
    cat, dog = proposed(candidates(watches_of(("me", "old", hour(1))), videos, DAY, TONIGHT), "me", "fresh")
    assert (cat.video_id, cat.score, cat.because) == ("new cat", 1.0, "cats")
    assert (dog.video_id, dog.score, dog.because) == ("new dog", 0.0, None)


def test_fresh_knows_no_hashtag_that_was_given_later(watches_of: Make, videos_of: Make) -> None:
    watches = watches_of(("ann", "seen", hour(1)))
    old, new = MIDNIGHT - timedelta(days=9), TONIGHT + timedelta(hours=1)
    videos = videos_of(
        ("seen", {"hashtags": ["cats", "dogs"], "hashtags_at": [old, new]}),
        ("a", {"hashtags": ["dogs"]}),
        ("b", {"hashtags": ["cats"], "hashtags_at": [new]}),
        ("c", {"hashtags": ["cats"], "hashtags_at": [old]}),
    )
    best = proposed(candidates(watches, videos, DAY, TONIGHT), "ann", "fresh")
    assert [(r.video_id, r.score, r.because) for r in best] == [("c", 1.0, "cats"), ("a", 0.0, None), ("b", 0.0, None)]


def test_fresh_gives_every_creator_a_turn(watches_of: Make, videos_of: Make) -> None:
    mine = {"user_id": "busy"}
    videos = videos_of(
        ("seen",),
        *[(f"busy{n}", {**mine, "published_at": hour(100 + n)}) for n in range(3)],
        ("quiet", {"user_id": "quiet", "published_at": hour(50)}),
    )
    fresh = proposed(candidates(watches_of(("me", "seen", hour(1))), videos, DAY, TONIGHT), "me", "fresh")
    assert [r.video_id for r in fresh] == ["busy2", "quiet", "busy1", "busy0"]


def test_a_viewer_who_watched_nothing_yet_gets_popular_and_fresh(followed: DataFrame, videos_of: Make) -> None:
    moments = moments_at(followed.selectExpr("'stranger' AS user_id"), TONIGHT)
    rows = propose(first_watches(followed), videos_of(("a",), ("b",), ("c",)), moments)
    assert {r.source for r in rows.collect()} == {"popular", "fresh"}


def test_what_happens_later_changes_nothing_that_was_proposed(
    followed: DataFrame, videos_of: Make, watches_of: Make
) -> None:
    videos = videos_of(("a",), ("b",), ("c",), ("d",))
    later = watches_of(*[(u, "d", TONIGHT + timedelta(hours=n)) for n, u in enumerate(("ann", "ben", "cid", "new"))])
    rewatched = watches_of(("new", "a", TONIGHT + timedelta(hours=9), {"share_watched": 0.3}))
    moments = moments_at(followed.select("user_id"), TONIGHT)
    before = propose(first_watches(followed), videos, moments)
    after = propose(first_watches(followed.union(later).union(rewatched)), videos, moments)
    assert sorted(before.collect()) == sorted(after.collect())


def test_cutting_the_videos_into_blocks_changes_no_candidate(
    followed: DataFrame, videos_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = videos_of(("a",), ("b",), ("c",))
    moments = moments_at(followed.select("user_id"), TONIGHT)
    whole = sorted(propose(first_watches(followed), videos, moments).collect())
    monkeypatch.setattr(propose_module, "PAIRS_A_BLOCK", 150)
    cut = propose(first_watches(followed), videos, moments)
    assert sorted(cut.collect()) == whole


def test_a_task_hands_its_proposals_on_as_it_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propose_module, "A_FRAME", 2)
    ids: dict[str, Any] = {"users": np.array(["ann"], dtype=object), "videos": np.array(["a", "b"], dtype=object)}
    world = World(**{field.name: np.zeros(0) for field in fields(World)} | ids)
    made: list[int] = []

    def proposals() -> Iterator[Proposal]:
        for at in range(5):
            made.append(at)
            found = np.array([0, 1] if at else [], dtype=np.int64)
            yield Proposal(Moment(0, at), "popular", found, np.ones(len(found)), ["7"] * len(found))

    frames = propose_module.frames(world, proposals())
    first = next(frames)
    assert list(zip(first["at_us"], first["video_id"], first["rank"], strict=True)) == [
        (1, "a", 1), (1, "b", 2), (2, "a", 1), (2, "b", 2)
    ]  # fmt: skip
    assert made == [0, 1, 2]
    assert [len(frame) for frame in frames] == [4]
