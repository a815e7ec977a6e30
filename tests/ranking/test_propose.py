"""Candidates: what all sources have in common, and that none of them knows the future."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.events.marks import unmarked
from jobs.ranking import learn as learn_module
from jobs.ranking import propose as propose_module
from jobs.ranking.candidates import candidates
from jobs.ranking.propose import Proposal, moments_at, propose
from jobs.ranking.refused import kept_away, muted_of, mutes, never_again, refusals
from jobs.ranking.sources.snapshot import Moment
from jobs.ranking.sources.source import Found
from jobs.ranking.watched import World, first_watches
from tests.ranking.conftest import DAY, TONIGHT, Make, hour, proposed


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


def test_what_the_viewer_has_muted_is_never_proposed_until_they_unmute_it(
    followed: DataFrame, videos_of: Make, events_of: Make
) -> None:
    cats = {"hashtags": ["cats"]}
    videos = videos_of(
        ("a",), ("b", {"user_id": "x"}), ("c", {"user_id": "x"}), ("d", cats), ("e", {**cats, "user_id": "y"})
    )

    def say(event_type: str, user: str, video: str, at: float, hashtag: str | None = None) -> DataFrame:
        said = events_of((user, video, hour(at), 0)).withColumns(
            {"event_type": F.lit(event_type), "hashtag": F.lit(hashtag)}
        )
        return said

    events = (
        say("mute_creator", "new", "c", 5)
        .union(say("mute_hashtag", "new", "gone", 6, "cats"))
        .union(say("mute_creator", "cid", "e", 5))
        .union(say("unmute_creator", "cid", "e", 6))
        .union(say("mute_creator", "cid", "gone", 7))
        .union(say("mute_hashtag", "cid", "d", 7, "nobody has it"))
    )
    away = kept_away(events, followed)
    tonight = candidates(followed, videos, DAY, TONIGHT, away).collect()
    assert {r.video_id for r in tonight if r.user_id == "new"} == set()
    assert {r.video_id for r in tonight if r.user_id == "cid"} == {"d", "e"}
    before = followed.select("user_id", F.lit(hour(5.5)).alias("at"), F.lit(hour(5)).alias("snapshot_at")).distinct()
    then = propose(first_watches(followed), videos, before, away).collect()
    assert {r.video_id for r in then if r.user_id == "new"} == {"d", "e"}
    assert "e" not in {r.video_id for r in then if r.user_id == "cid"}
    shown = frame_of(followed.sparkSession, "user_id string, video_id string", [("new", v) for v in "abcde"])
    known = videos.withColumnRenamed("user_id", "creator")
    assert {r.video_id for r in muted_of(shown, mutes(events), known).collect()} == {"b", "c", "d", "e"}


def test_the_video_of_a_marked_watch_is_not_proposed_again_though_nobody_learns_of_it(
    watches_of: Make, events_of: Make
) -> None:
    watches = watches_of(("ann", "a", hour(2), {"marks": ["too_fast"]}), ("ann", "b", hour(3)), ("bob", "a", hour(4)))
    shown = events_of(("bob", "c", hour(5), 0)).withColumn("event_type", F.lit("report"))
    found = never_again(shown, watches).collect()
    assert {(r.user_id, r.video_id, r["at"].hour) for r in found} == {("ann", "a", 2), ("bob", "c", 5)}
    assert {(r.user_id, r.video_id) for r in unmarked(watches).collect()} == {("ann", "b"), ("bob", "a")}


def test_a_viewer_who_watched_nothing_yet_gets_what_is_popular_or_fresh(followed: DataFrame, videos_of: Make) -> None:
    moments = moments_at(followed.selectExpr("'stranger' AS user_id"), TONIGHT)
    rows = propose(first_watches(followed), videos_of(("a",), ("b",), ("c",)), moments)
    assert {r.source for r in rows.collect()} == {"popular", "popularity", "fresh"}


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
    monkeypatch.setattr(learn_module, "PAIRS_A_BLOCK", 150)
    cut = propose(first_watches(followed), videos, moments)
    assert sorted(cut.collect()) == whole


def test_a_task_hands_its_proposals_on_as_it_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propose_module, "A_BATCH", 2)
    ids: dict[str, Any] = {"viewers": np.array(["ann"], dtype=object), "videos": np.array(["a", "b"], dtype=object)}
    world = World(**{field.name: np.zeros(0) for field in fields(World)} | ids)
    made: list[int] = []

    def proposals() -> Iterator[Proposal]:
        for at in range(5):
            made.append(at)
            found = np.array([0, 1] if at else [], dtype=np.int64)
            yield Proposal(Moment(0, at), "popular", Found(found, np.ones(len(found)), ["7"] * len(found)))

    frames = propose_module.frames(world, proposals())
    first = next(frames).select(["at_us", "video_id", "rank"]).to_pylist()
    assert [tuple(row.values()) for row in first] == [(1, "a", 1), (1, "b", 2)]
    assert made == [0, 1]
    assert [frame.num_rows for frame in frames] == [4, 2]
