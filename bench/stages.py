"""What a re-rank stage costs in the simulated world, and what it gives: grades a slot, beside what ten slots show.

Belongs here: the measurement, by which jobs/ranking/policy.yml is set. It prints and asserts nothing.

    python bench/stages.py [--viewers 5000] [--seed 3] [--stage diversity]

The world and its order are those of exploration.py: everybody has candidates, and an order that roughly knows what they
like. Each line changes some numbers of the policy; all viewers see the first ten slots, ten times over, by the same
chance. Vectors are learned from what viewers watched before there were feeds; what rises is what had more views in the
last 12 hours than in the three days before, by a Poisson deviation of 2.3, as gold.trending asks for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix

from bench.exploration import DAYS, TIMES, Exploration
from jobs.events.watches import SKIPPED
from jobs.features.trending import LEAST_SCORE, MOST
from jobs.ranking.policy import OURS, Policy, read
from jobs.ranking.sources.als import factorised
from jobs.ranking.sources.factors import DIM, ROUNDS, USUAL
from jobs.ranking.spacing import positions
from jobs.ranking.stages.known import least_watched
from jobs.ranking.stages.stage import Lists, Numbers, Videos
from jobs.sim import behaviour
from jobs.sim.world import DAY_MS, SimulatedWorld

Change = Mapping[str, Mapping[str, float]]
OFF: Change = {
    "hashtags": {"places": 0},
    "sounds": {"places": 0},
    "diversity": {"weight": 0},
    "trending": {"slots": 0},
    "small_creators": {"slots": 0},
}
TRIED: tuple[Change, ...] = (
    *({"hashtags": {"places": places}} for places in (1, 2)),
    *({"sounds": {"places": places}} for places in (1, 2)),
    *({"diversity": {"weight": weight}} for weight in (0.1, 0.2, 0.5, 1)),
    *({"trending": {"slots": 1, "among": among}} for among in (12, 15, 50)),
    *({"small_creators": {"slots": 1, "among": among}} for among in (12, 15, 50)),
    {"trending": {"slots": 1}, "small_creators": {"slots": 1}},
)


def changed(policy: Policy, change: Change) -> Policy:
    """The policy with other values of some numbers."""

    def of_stage(name: str, numbers: Numbers) -> Numbers:
        content = numbers.model_dump()
        for number, value in change.get(name, {}).items():
            content[number]["value"] = value
        return type(numbers).model_validate(content)

    return Policy({name: of_stage(name, numbers) for name, numbers in policy.numbers.items()})


def known(world: SimulatedWorld) -> Videos:
    """What is known of the videos on the morning of the last day."""
    end = world.start_ms + (DAYS - 1) * DAY_MS
    viewer, video, share, at = (np.concatenate(parts) for parts in zip(*_watches(world), strict=True))
    liked = share >= SKIPPED
    watched = csr_matrix((np.minimum(share, 1)[liked].astype(np.float32), (viewer[liked], video[liked])))
    watched.resize((world.viewers, world.videos))
    vectors = factorised(watched[watched.getnnz(axis=1) > 0], USUAL, DIM, ROUNDS).vectors
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    views = np.bincount(video, minlength=world.videos)
    tags = sorted({tag for tags in world.hashtags for tag in tags})
    cells = [(row, tags.index(tag)) for row, own in enumerate(world.hashtags) for tag in own]
    return Videos(
        creators=world.creator,
        hashtags=csr_matrix((np.ones(len(cells), dtype=np.int8), np.transpose(cells))),
        sounds=world.sound,
        vectors=np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0).astype(np.float16),
        rising=_rising(video, at, end, world.videos),
        viewers=views,
        small=least_watched(world.creator, views)[world.creator],
    )


def _watches(world: SimulatedWorld) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """The viewer, the video, the share and the time of each watch before the last day."""
    for sessions in behaviour.sessions(world, DAYS - 1):
        seen = sessions.looked_at
        viewer = np.repeat(sessions.viewer, behaviour.SLOTS).reshape(seen.shape)
        yield viewer[seen], sessions.video[seen], sessions.share_watched[seen], sessions.shown_ms[seen]


def _rising(video: NDArray[np.int64], at: NDArray[np.int64], end: int, videos: int) -> NDArray[np.int64]:
    lately = np.bincount(video[at >= end - DAY_MS // 2], minlength=videos)
    expected = np.bincount(video[(at >= end - 3 * DAY_MS) & (at < end - DAY_MS // 2)], minlength=videos) / 5
    score = (lately - expected) / np.sqrt(expected + 1)
    best = np.argsort(-score, kind="stable")[:MOST]
    best = best[score[best] >= LEAST_SCORE]
    rising = np.zeros(videos, dtype=np.int64)
    rising[best] = 1 + np.arange(len(best))
    return rising


class Measured:
    """The first ten slots of everybody by a policy: what they earn, viewer by viewer, and what they show."""

    def __init__(self, world: Exploration, videos: Videos, policy: Policy) -> None:
        begun = time.process_time()
        place = positions(Lists(world.viewer, world.video, videos), world.by_hunch, policy)
        self.microseconds = (time.process_time() - begun) * 1e6 / world.viewers
        seen = place < behaviour.SLOTS
        self.shown = np.empty((world.viewers, behaviour.SLOTS), dtype=np.int64)
        self.shown[world.viewer[seen], place[seen]] = world.video[seen]
        everybody = np.arange(world.viewers)
        rewards = [world.rewards(np.random.default_rng([world.seed, n]), everybody, self.shown) for n in range(TIMES)]
        self.earned = np.mean(rewards, axis=(0, 2))

    def different(self, of: NDArray[np.int64]) -> float:
        """How many different ones ten slots have, in the mean of viewers."""
        ordered = np.sort(of[self.shown], axis=1)
        return float(1 + (np.diff(ordered, axis=1) != 0).sum(axis=1).mean())

    def share(self, of: NDArray[np.bool_]) -> float:
        return float(of[self.shown].mean())


@click.command(help=__doc__)
@click.option("--viewers", default=5_000, show_default=True)
@click.option("--seed", default=3, show_default=True)
@click.option("--stage", help="Of this one only.")
def main(viewers: int, seed: int, stage: str | None) -> None:
    world = Exploration(viewers, 0, seed)
    videos = known(world.world)
    assert videos.rising is not None and videos.viewers is not None and videos.small is not None
    rises, rare = videos.rising > 0, videos.small & (videos.viewers < np.median(videos.viewers))
    ours = changed(read(OURS), OFF)
    base = Measured(world, videos, ours)
    table = Table(
        "", "a slot earns", "more than without", "topics in ten", "creators", "rising", "small", "µs a viewer"
    )

    def tell(name: str, found: Measured) -> None:
        gained = found.earned - base.earned
        table.add_row(
            name,
            f"{found.earned.mean():.4f}",
            f"{gained.mean():+.4f} ± {1.96 * gained.std() / np.sqrt(viewers):.4f}",
            f"{found.different(world.world.topic):.2f}",
            f"{found.different(world.world.creator):.2f}",
            f"{found.share(rises):.3f}",
            f"{found.share(rare):.3f}",
            f"{found.microseconds:.0f}",
        )

    tell("without", base)
    for change in ({"creators": {"places": 0}}, *TRIED):
        if stage is None or stage in change:
            name = "; ".join(f"{of} " + ", ".join(f"{k} {v}" for k, v in own.items()) for of, own in change.items())
            tell(name, Measured(world, videos, changed(ours, change)))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
