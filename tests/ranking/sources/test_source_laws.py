"""What holds for every source there is, on small worlds drawn at random."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from jobs.ranking.sources.registry import JUDGED
from jobs.ranking.sources.snapshot import Moment, gather, take_snapshot
from jobs.ranking.sources.source import Source
from jobs.ranking.sources.tower import TOWER
from jobs.ranking.watched import NEVER, World
from tests.ranking.sources.conftest import Watched, found, world_of

# The tower learns where the extra `deep` is installed (make deep).
EVERY = (*JUDGED, TOWER) if find_spec("tensorflow") else JUDGED
each_source = pytest.mark.parametrize("source", EVERY, ids=[source.name for source in EVERY])
VIEWERS, VIDEOS = 12, 20


def drawn(seed: int) -> Watched:
    """Half of all pairs of viewers and videos, at random times and by random shares."""
    chance = np.random.default_rng(seed)
    pairs = chance.permutation(VIEWERS * VIDEOS)[: VIEWERS * VIDEOS // 2]
    shares = np.round(chance.random(len(pairs)), 3)
    return [(f"u{n % VIEWERS:02}", f"v{n // VIEWERS:02}", float(s)) for n, s in zip(pairs, shares, strict=True)]


def described(watched: Watched) -> World:
    videos = sorted({video for _, video, _ in watched} | {f"v{n:02}" for n in range(VIDEOS)})
    hashtags = {video: [f"t{int(video[1:]) % 3}", f"s{int(video[1:]) % 5}"] for video in videos}
    content = {video: [np.cos(int(video[1:])), np.sin(int(video[1:]))] for video in videos}
    return world_of(watched, hashtags, content)


@each_source
def test_it_proposes_what_is_allowed_each_once_best_first_and_at_most_its_cap(source: Source) -> None:
    for seed in range(3):
        world = described(drawn(seed))
        at = len(world.at)
        chunk = gather(world, [Moment(viewer, at) for viewer in range(len(world.viewers))])
        every = list(source.learn(take_snapshot(world, at))(chunk))
        assert len(every) == len(chunk.moments) and any(len(one.videos) for one in every)
        for row, one in enumerate(every):
            assert chunk.allowed[row, one.videos].all()
            assert len(one.videos) == len(set(one.videos)) == len(one.scores) == len(one.because) <= source.cap
            assert (np.diff(one.scores) <= 0).all() and (one.scores >= 0).all()


@each_source
def test_without_reasons_it_proposes_the_same(source: Source) -> None:
    world = described(drawn(0))
    at, moments = len(world.at), [Moment(viewer, len(world.at)) for viewer in range(len(world.viewers))]
    propose = source.learn(take_snapshot(world, at))
    with_reasons, without = (list(propose(gather(world, moments, explained))) for explained in (True, False))
    for one, other in zip(with_reasons, without, strict=True):
        assert np.array_equal(one.videos, other.videos) and np.array_equal(one.scores, other.scores)
        assert other.because in (one.because, [None] * len(one.videos))


@each_source
def test_what_happens_later_changes_nothing(source: Source) -> None:
    for seed in range(3):
        past = drawn(seed)
        at = len(past) // 2
        later = [*past, *[(f"u{n:02}", "v99", 1.0) for n in range(VIEWERS)], ("w", "v01", 1.0)]
        before, after = described(past[:at]), described(later)
        comes_later = np.isin(after.videos, before.videos, invert=True)
        after = replace(after, published=np.where(comes_later, NEVER - 1, after.published))
        for viewer in before.viewers[:4]:
            assert found(source, after, viewer, at) == found(source, before, viewer, at)
