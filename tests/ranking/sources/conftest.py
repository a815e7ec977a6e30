"""What the tests of sources share: a World made of a few watches, and what a source finds in it."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobs.ranking.sources.snapshot import Moment, gather, take_snapshot
from jobs.ranking.sources.source import Source
from jobs.ranking.watched import ALWAYS, World

# Viewer, video, share watched; the n-th watch is at the instant n.
Watched = list[tuple[str, str, float]]


class Proposed(NamedTuple):
    score: float
    because: str | None


def world_of(
    watched: Watched, hashtags: dict[str, list[str]] | None = None, content: dict[str, list[float]] | None = None
) -> World:
    """The watches, and the videos that they or the `hashtags` or the `content` name, each by a creator of its own."""
    hashtags, content = hashtags or {}, content or {}
    viewers = np.array(sorted({viewer for viewer, _, _ in watched}), dtype=object)
    videos = np.array(sorted({video for _, video, _ in watched} | hashtags.keys() | content.keys()), dtype=object)
    tags = np.array(sorted({tag for tags in hashtags.values() for tag in tags}), dtype=object)
    pairs = [
        (np.searchsorted(videos, video), np.searchsorted(tags, tag)) for video in hashtags for tag in hashtags[video]
    ]
    order = sorted(range(len(watched)), key=lambda n: (watched[n][0], n))
    viewer = np.searchsorted(viewers, np.array([watched[n][0] for n in order], dtype=object))
    nothing = np.zeros(0, dtype=np.int64)
    size = (len(videos), max(len(tags), 1))
    return World(
        viewers=viewers,
        videos=videos,
        starts=np.searchsorted(viewer, np.arange(len(viewers) + 1)),
        video=np.searchsorted(videos, np.array([watched[n][1] for n in order], dtype=object)),
        at=np.array(order, dtype=np.int64),
        share=np.array([watched[n][2] for n in order]),
        published=np.zeros(len(videos), dtype=np.int64),
        creator=np.arange(len(videos)),
        hashtags=tags,
        refused_starts=np.zeros(len(viewers) + 1, dtype=np.int64),
        refused=nothing,
        refused_at=nothing,
        makes=np.full(len(viewers), -1),
        tagged=csr_matrix(
            (np.full(len(pairs), ALWAYS), ([video for video, _ in pairs], [tag for _, tag in pairs])), shape=size
        ),
        content=np.array([content[video] for video in videos], dtype=np.float32) if content else None,
    )


def found(source: Source, world: World, viewer: str, at: int | None = None) -> dict[str, Proposed]:
    """What a source proposes to a viewer at an instant, by default after the newest watch, best first."""
    at = len(world.at) if at is None else at
    chunk = gather(world, [Moment(int(np.searchsorted(world.viewers, viewer)), at)])
    (one,) = source.learn(take_snapshot(world, at))(chunk)
    rows = zip(one.videos, one.scores, one.because, strict=True)
    return {str(world.videos[video]): Proposed(float(score), because) for video, score, because in rows}


@pytest.fixture
def cats_and_dogs() -> Watched:
    """Ten viewers who watch cats, and ten who watch dogs; cat2 is watched by more than cat3."""
    watched = [
        (f"cat{n}", video, 1.0) for n in range(10) for video in ("cat1", "cat2", "cat3") if (n, video) != (9, "cat3")
    ]
    return watched + [(f"dog{n}", f"dog{video}", 1.0) for n in range(10) for video in (1, 2, 3)]
