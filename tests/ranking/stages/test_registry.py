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
from jobs.ranking.stages.registry import STAGES
from jobs.ranking.stages.stage import Lists, Videos
from jobs.ranking.watched import NEVER, World
from tests.ranking.sources.conftest import world_of

SMALL, SHARE = st.integers(0, 9), st.floats(0.05, 1)
SOME = st.integers(1, 9)
POLICIES = st.fixed_dictionaries(
    {
        "creators": st.fixed_dictionaries(
            {"places": SMALL, "videos": SMALL, "decay": SHARE, "floor": SHARE, "at_most": SOME}
        ),
        "hashtags": st.fixed_dictionaries({"places": SMALL, "videos": SMALL, "common": SHARE}),
        "sounds": st.fixed_dictionaries({"places": SMALL, "videos": SMALL}),
        "diversity": st.fixed_dictionaries({"weight": SHARE, "slots": SOME, "among": SOME}),
        "trending": st.fixed_dictionaries(
            {"slots": SMALL, "first": SMALL, "apart": SOME, "among": SOME, "ranks": SOME}
        ),
        "small_creators": st.fixed_dictionaries(
            {"slots": SMALL, "first": SMALL, "apart": SOME, "among": SOME, "viewers": SOME}
        ),
    }
)


def policy_of(drawn: dict[str, dict[str, float]]) -> Policy:
    stages = {stage.name: stage for stage in STAGES}
    return Policy(
        {
            name: stages[name].numbers.model_validate(
                {number: {"value": value, "why": "drawn"} for number, value in numbers.items()}
            )
            for name, numbers in drawn.items()
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


@settings(max_examples=25)
@given(seed=st.integers(0, 999), drawn=POLICIES)
def test_no_feed_has_a_video_that_was_watched_refused_or_withdrawn_or_is_ones_own(
    seed: int, drawn: dict[str, dict[str, float]]
) -> None:
    world, now, chance = drawn_world(seed), 1000, np.random.default_rng(seed)
    known = Videos(
        creators=world.creator,
        hashtags=world.tagged,
        sounds=chance.integers(-1, 5, 40),
        vectors=chance.normal(size=(40, 3)).astype(np.float16),
        rising=chance.integers(0, 9, 40),
        viewers=chance.integers(0, 9, 40),
        small=chance.random(40) < 0.5,
    )
    moments = [Moment(viewer, now) for viewer in range(6)]
    pairs = {
        (proposal.moment.viewer, int(video))
        for proposal in proposals(registry.SOURCES, take_snapshot(world, now), moments)
        for video in proposal.found.videos
    }
    list_of, video = np.array(sorted(pairs)).T
    lists = Lists(list_of, video, known)
    position = positions(lists, by_score(list_of, chance.random(len(video)), []), policy_of(drawn))
    for viewer in range(6):
        mine = list_of == viewer
        assert sorted(position[mine]) == list(range(mine.sum()))
        feed = set(video[mine & (position < SLOTS)].tolist())
        watched = set(world.video[world.starts[viewer] : world.starts[viewer + 1]].tolist())
        refused = set(world.refused[4 * viewer : 4 * viewer + 4].tolist())
        own = set(np.flatnonzero(world.creator == world.makes[viewer]).tolist())
        assert feed and not feed & (watched | refused | own | set(np.flatnonzero(world.published == NEVER).tolist()))
