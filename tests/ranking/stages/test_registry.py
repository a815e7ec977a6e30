"""What holds for all stages, whatever the numbers of the policy are: they move candidates, and bring nothing in."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.ranking.policy import Policy
from jobs.ranking.propose import proposals
from jobs.ranking.sources import registry
from jobs.ranking.sources.snapshot import Moment, take_snapshot
from jobs.ranking.spacing import SLOTS, by_score, positions
from jobs.ranking.stages.creators import CreatorNumbers
from jobs.ranking.stages.stage import Lists, Videos
from jobs.ranking.watched import NEVER, World
from tests.ranking.sources.conftest import world_of

SHARES = st.floats(0.05, 1)
POLICIES = st.fixed_dictionaries(
    {
        "places": st.integers(0, 9),
        "videos": st.integers(0, 9),
        "decay": SHARES,
        "floor": SHARES,
        "at_most": st.integers(1, 9),
    }
)


def drawn_world(seed: int) -> World:
    """Six viewers and forty videos: each viewer watched some, refused some and made some, and some are withdrawn."""
    chance = np.random.default_rng(seed)
    watched = [(f"u{u}", f"v{v:02}", 1.0) for u in range(6) for v in chance.permutation(40)[:8]]
    world = world_of(watched, hashtags={f"v{v:02}": [f"tag{v % 5}"] for v in range(40)})
    return replace(
        world,
        creator=np.sort(chance.integers(0, 8, 40)),
        makes=np.array([0, 1, 2, 3, -1, -1]),
        published=np.where(chance.random(40) < 0.2, NEVER, 0),
        refused_starts=np.arange(7) * 4,
        refused=np.concatenate([np.sort(chance.permutation(40)[:4]) for _ in range(6)]),
        refused_at=np.zeros(24, dtype=np.int64),
    )


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), drawn=POLICIES)
def test_no_feed_has_a_video_that_was_watched_refused_or_withdrawn_or_is_ones_own(
    seed: int, drawn: dict[str, float]
) -> None:
    world, now = drawn_world(seed), 1000
    numbers = {name: {"value": value, "why": "drawn"} for name, value in drawn.items()}
    policy = Policy({"creators": CreatorNumbers.model_validate(numbers)})
    moments = [Moment(viewer, now) for viewer in range(6)]
    pairs = {
        (proposal.moment.viewer, int(video))
        for proposal in proposals(registry.SOURCES, take_snapshot(world, now), moments)
        for video in proposal.found.videos
    }
    list_of, video = np.array(sorted(pairs)).T
    scores = np.random.default_rng(seed).random(len(video))
    lists = Lists(list_of, video, Videos(creators=world.creator))
    position = positions(lists, by_score(list_of, scores, []), policy)
    for viewer in range(6):
        mine = list_of == viewer
        assert sorted(position[mine]) == list(range(mine.sum()))
        feed = set(video[mine & (position < SLOTS)].tolist())
        watched = set(world.video[world.starts[viewer] : world.starts[viewer + 1]].tolist())
        refused = set(world.refused[4 * viewer : 4 * viewer + 4].tolist())
        own = set(np.flatnonzero(world.creator == world.makes[viewer]).tolist())
        assert feed and not feed & (watched | refused | own | set(np.flatnonzero(world.published == NEVER).tolist()))
