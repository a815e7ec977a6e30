"""What a comparison of two arms finds, in a simulated world that knows what their feeds are worth.

    python -m bench.arms [--viewers 5000] [--seeds 400]

The world and its order are those of exploration.py: everybody has candidates, and an order that roughly knows what they
like. The control's feeds are made by the package's policy, and those of an arm with half of the viewers by it too
(A/A), or by one that hardly lets a creator have a second video near the top, which costs what viewers like. Each seed
is one day of another comparison: whom the arm has is drawn anew, viewers come or not, see ten slots of their feed
whenever they come, and do what the simulated world lets them do. Printed is how often the interval of the difference in
grades of a slot holds the truth, how often it is clear of zero, and how often viewers were said not to divide as drawn.
The truth is what each policy earns of all viewers, over all seeds. It asserts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import data_contracts
from bench.exploration import DAYS, Exploration
from bench.stages import changed
from jobs.feeds.arms import CONTROL, Arm, Comparison
from jobs.feeds.compare import ARMS
from jobs.feeds.ratios import Sums, difference, mismatch
from jobs.ranking.intervals import Interval
from jobs.ranking.policy import OURS, Policy, read
from jobs.ranking.spacing import SLOTS, positions
from jobs.ranking.stages.stage import Lists, Videos
from jobs.sim import behaviour

Numbers = NDArray[np.float64]
Feeds = NDArray[np.int64]


@dataclass(frozen=True)
class Lived:
    """One day on feeds: of each viewer how many slots were shown, and the sum of their grades."""

    slots: Numbers
    grades: Numbers

    def sums(self, viewers: NDArray[np.bool_]) -> Sums:
        """Of some viewers: grades above, slots below."""
        above, below = self.grades[viewers], self.slots[viewers]
        squares = (float(one @ other) for one, other in ((above, above), (below, below), (above, below)))
        return Sums(len(above), float(above.sum()), float(below.sum()), *squares)


def feeds(world: Exploration, policy: Policy) -> Feeds:
    """Viewers x slots: the videos of each feed."""
    order = positions(Lists(world.viewer, world.video, Videos(creators=world.world.creator)), world.by_hunch, policy)
    made, in_feed = np.empty((world.viewers, SLOTS), dtype=np.int64), order < SLOTS
    made[world.viewer[in_feed], order[in_feed]] = world.video[in_feed]
    return made


def live(world: Exploration, shown: Feeds, seed: int) -> Lived:
    """Who comes when, and the dice of each slot, are the same on all feeds."""
    lived = Lived(np.zeros(world.viewers), np.zeros(world.viewers))
    for part in range(len(behaviour.PARTS_OF_DAY)):
        rng = np.random.default_rng([seed, 4, part])
        viewer, _ = behaviour.openings(rng, world.world, DAYS - 1, part)
        video = shown[viewer, part * behaviour.SLOTS : (part + 1) * behaviour.SLOTS]
        lived.slots[viewer] += behaviour.SLOTS
        lived.grades[viewer] += world.rewards(rng, viewer, video).sum(axis=1)
    return lived


@dataclass(frozen=True)
class Found:
    """Of each seed the difference as a comparison finds it, what it is of all viewers, and how sure a mismatch is."""

    gaps: list[Interval]
    truths: list[float]
    mismatches: list[float]


def found(world: Exploration, arm: Feeds, control: Feeds, seeds: int) -> Found:
    everybody, found = np.ones(world.viewers, dtype=np.bool_), Found([], [], [])
    for seed in range(seeds):
        compared = Comparison(f"seed-{seed}", (Arm("arm", 0.5, None, None, ""), Arm(CONTROL, 0.5, None, None, "")))
        is_arm = compared.drawn(world.ids.to_pylist()) == 0
        here, there = live(world, arm, seed), live(world, control, seed)
        gap, whole = (
            difference(here.sums(mine), there.sums(other)) for mine, other in ((is_arm, ~is_arm), (everybody,) * 2)
        )
        assert gap is not None and whole is not None
        found.gaps.append(gap)
        found.truths.append(whole.value)
        seen = [int((lived.slots[mine] > 0).sum()) for lived, mine in ((here, is_arm), (there, ~is_arm))]
        found.mismatches.append(mismatch(seen, [0.5, 0.5]))
    return found


@click.command(help=__doc__)
@click.option("--viewers", default=5_000, show_default=True)
@click.option("--seeds", default=400, show_default=True)
def main(viewers: int, seeds: int) -> None:
    world, ours = Exploration(viewers, 0), read(OURS)
    control, limit = feeds(world, ours), data_contracts.load(ARMS).limits["mismatch"].at_most
    table = Table(
        "the arm's feeds", "truth", "mean difference", "half width", "holds the truth", "clearly worse",
        "clearly better", "not as drawn",
    )  # fmt: skip
    for name, change in (("the control's (A/A)", 1.0), ("creators with decay .5", 0.5)):
        one = found(world, feeds(world, changed(ours, {"creators": {"decay": change}})), control, seeds)
        truth = float(np.mean(one.truths))
        table.add_row(
            name,
            f"{truth:+.4f}",
            f"{np.mean([gap.value for gap in one.gaps]):+.4f}",
            f"{np.mean([gap.high - gap.value for gap in one.gaps]):.4f}",
            f"{np.mean([gap.low <= truth <= gap.high for gap in one.gaps]):.1%}",
            f"{np.mean([gap.high < 0 for gap in one.gaps]):.1%}",
            f"{np.mean([gap.low > 0 for gap in one.gaps]):.1%}",
            f"{sum(sure > limit for sure in one.mismatches)} of {seeds}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
