"""A source is one file: what it takes is all in the fixture, and everything else follows from its place in the list."""

from collections.abc import Iterator

import numpy as np
import pytest
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.ranking.candidates import candidates
from jobs.ranking.examples import examples
from jobs.ranking.features import ranker_features
from jobs.ranking.orders import FIRST
from jobs.ranking.sources import registry
from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source
from tests.ranking.conftest import DAY, TONIGHT, Make, feeds_of, hour, proposed


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> Source:
    """A source for those who read an alphabet from its end."""

    def learn(snapshot: Snapshot) -> Propose:
        def propose(chunk: Chunk) -> Iterator[Found]:
            for allowed in chunk.allowed:
                last = np.flatnonzero(allowed)[::-1][:2]
                yield Found(last, last.astype(np.float64), [str(snapshot.world.videos[-1])] * len(last))

        return propose

    def reason(because: Column, title: Column) -> Column:
        return F.concat(F.lit("close to "), title)

    source = Source("backwards", cap=2, learn=learn, reason=reason, has_share=True)
    monkeypatch.setattr(registry, "SOURCES", (*registry.SOURCES, source))
    return source


@pytest.fixture
def videos(videos_of: Make) -> DataFrame:
    return videos_of(("a",), ("b",), ("c",), ("d",))


def test_it_proposes_and_its_rank_orders_equal_scores(
    backwards: Source, followed: DataFrame, videos: DataFrame
) -> None:
    tonight = candidates(followed, videos, DAY, TONIGHT)
    assert [(r.video_id, r.score, r["rank"]) for r in proposed(tonight, "new", "backwards")] == [
        ("d", 3.0, 1), ("c", 2.0, 2)
    ]  # fmt: skip
    own = tonight.where("source = 'backwards' AND user_id = 'ann'")
    assert [r.video_id for r in feeds_of(own, videos, FIRST)] == ["d", "c"]


def test_it_gives_its_reason_where_no_source_before_it_does(
    backwards: Source, followed: DataFrame, videos: DataFrame
) -> None:
    tonight = candidates(followed, videos, DAY, TONIGHT).where(
        "user_id = 'new' AND source NOT IN ('fresh', 'popularity')"
    )
    assert {r.video_id: r.reason for r in feeds_of(tonight, videos, FIRST)} == {
        "b": "because you watched The a",
        "c": "because you watched The a",
        "d": "close to The d",
    }


def test_the_ranker_learns_from_what_it_says(
    backwards: Source, followed: DataFrame, videos: DataFrame, watches_of: Make, events_of: Make
) -> None:
    names = ranker_features()
    place = names.index("popularity_rank") + 1
    assert names[place : place + 4] == (
        "backwards_score", "backwards_share", "backwards_rank", "days_since_published"
    )  # fmt: skip
    shown = events_of(*[("new", video, hour(30), slot) for slot, video in enumerate("bcd")])
    rows = examples(followed.union(watches_of(("new", "c", hour(31)))), videos, shown, None)
    assert rows is not None
    learned = {r.video_id: (r.backwards_score, r.backwards_share, r.backwards_rank, r.label) for r in rows.collect()}
    assert learned == {"b": (None, None, None, 0), "c": (2.0, 0.666667, 2, 2), "d": (3.0, 1.0, 1, 0)}
