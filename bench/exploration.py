"""How often the intervals of `reelmill evaluate --counterfactual` hold the truth, in a simulated world that knows it.

    python bench/exploration.py [--viewers 20000] [--seeds 100] [--share 0.004]

Everybody has candidates of which each order makes a feed. What serves is the same for all, best quality first; the
challenger knows roughly what each viewer likes. Each seed is one night: the draws of `feeds.build` put chance into the
feeds, viewers see the first ten slots and do what the simulated world lets them do, and the drawn slots that were seen
are the log. The truth is what the slots of a feed earn on average, each seen at any of these places: by showing all of
it ten times over. It asserts nothing; tests/bench/test_exploration.py does, on a smaller world.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from jobs.evaluation.counterfactual import difference, estimate
from jobs.evaluation.logged import Logged
from jobs.events.watches import FINISHED, REACTIONS, SKIPPED
from jobs.feeds.draws import explored
from jobs.ranking.intervals import Interval
from jobs.ranking.moments import GRADES, IN_PART
from jobs.ranking.policy import OURS, read
from jobs.ranking.spacing import SLOTS, by_score, positions
from jobs.ranking.stages.stage import Lists, Videos
from jobs.settings import Settings
from jobs.sim import behaviour
from jobs.sim.world import make_world, viewer_id
from serving.interactions import EventType

FIRST = date(2026, 1, 5)
DAYS, VIDEOS, CREATORS = 14, 400, 60
ESTIMATORS = ("ips", "snips", "dr")
TIMES = 10  # that everything is shown to find the truth: good to 0.0003 with 20,000 viewers


@dataclass
class Exploration:
    """The world on its last day, everybody's candidates, and two orders of them."""

    viewers: int
    share: float
    seed: int = 1

    def __post_init__(self) -> None:
        chance = np.random.default_rng(self.seed)
        self.world = make_world(
            seed=self.seed, viewers=self.viewers, creators=CREATORS, videos=VIDEOS, days=DAYS, first_day=FIRST
        )
        self.liking = self.world.liking(DAYS - 1)
        self.ids = pa.array([viewer_id(n) for n in range(self.viewers)], pa.string())
        sizes = chance.integers(120, 200, self.viewers)
        drawn = chance.random(self.liking.shape).argsort(axis=1).argsort(axis=1) < sizes[:, None]
        self.viewer, self.video = np.nonzero(drawn)
        quality = self.world.quality[self.video]
        hunch = self.liking[self.viewer, self.video] + chance.normal(0, 1.5, len(self.viewer))
        self.by_hunch = by_score(self.viewer, hunch, [])
        self.served, self.challenger = map(self._placed, (by_score(self.viewer, quality, []), self.by_hunch))

    def _placed(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        return positions(Lists(self.viewer, self.video, Videos(creators=self.world.creator)), place, read(OURS))

    def log(self, seed: int) -> tuple[Logged, Logged]:
        """One night's log with the target probabilities of the challenger, and with those of what serves."""
        night = explored(self.ids, self.viewer, self.served, FIRST + timedelta(days=seed), self.share)
        is_seen = night.position < behaviour.SLOTS
        is_row = is_seen & ~np.isnan(night.propensity)
        shown = np.empty((self.viewers, behaviour.SLOTS), dtype=np.int64)
        shown[self.viewer[is_seen], night.position[is_seen]] = self.video[is_seen]
        # Of the others nothing is read.
        asked, person = np.unique(self.viewer[is_row], return_inverse=True)
        rewards = self.rewards(np.random.default_rng([seed, 3]), asked, shown[asked])
        place = night.position[is_row]

        def logged(order: NDArray[np.int64]) -> Logged:
            chance = (order[is_row] < SLOTS) / SLOTS
            return Logged(person, place, rewards[person, place], night.propensity[is_row], chance)

        return logged(self.challenger), logged(self.served)

    @cached_property
    def truth(self) -> tuple[float, float]:
        """What a slot of the challenger's feeds earns, and one of those that serve."""
        return self._earned(self.challenger), self._earned(self.served)

    def _earned(self, order: NDArray[np.int64]) -> float:
        chance = np.random.default_rng(2)
        feeds = np.empty((self.viewers, SLOTS), dtype=np.int64)
        in_feed = order < SLOTS
        feeds[self.viewer[in_feed], order[in_feed]] = self.video[in_feed]
        person = np.repeat(np.arange(self.viewers), SLOTS // behaviour.SLOTS)
        means = []
        for _ in range(TIMES):
            mixed = chance.permuted(feeds, axis=1).reshape(-1, behaviour.SLOTS)
            means.append(self.rewards(chance, person, mixed).mean())
        return float(np.mean(means))

    def rewards(
        self, chance: np.random.Generator, viewer: NDArray[np.int64], video: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The grade of each slot: 0 of those that were not looked at."""
        begin = np.zeros(len(viewer), dtype=np.int64)
        found = behaviour.watch(chance, self.world, "", DAYS - 1, viewer, begin, video, self.liking)
        is_so = {flag: found.actions[kind] for kind, (flag, _) in REACTIONS.items()}
        is_so["is_finished"] = found.share_watched >= FINISHED
        is_so["is_skipped"] = (found.share_watched < SKIPPED) | found.actions[EventType.SKIP]
        graded = np.select([is_so[flag] for flag, _ in GRADES], [value for _, value in GRADES], IN_PART)
        return np.where(found.looked_at, graded, 0).astype(float)


def measured(world: Exploration, seeds: int) -> dict[str, tuple[float, list[Interval]]]:
    """By what is estimated: the truth, and the interval of each seed."""
    challenger, served = world.truth
    truths = {f"challenger, {name}": challenger for name in ESTIMATORS}
    truths |= {f"what serves, {name}": served for name in ESTIMATORS}
    truths["the difference, dr"] = challenger - served
    found: dict[str, tuple[float, list[Interval]]] = {name: (truth, []) for name, truth in truths.items()}
    for seed in range(seeds):
        logs = world.log(seed)
        for who, log in zip(("challenger", "what serves"), logs, strict=True):
            estimates = estimate(log)
            for name in ESTIMATORS:
                found[f"{who}, {name}"][1].append(getattr(estimates, name))
        found["the difference, dr"][1].append(difference(*logs))
    return found


def covered(truth: float, intervals: list[Interval]) -> int:
    """How many of the intervals hold the truth."""
    return sum(low <= truth <= high for _, low, high in intervals)


@click.command(help=__doc__)
@click.option("--viewers", default=20_000, show_default=True)
@click.option("--seeds", default=100, show_default=True)
@click.option("--share", default=Settings.model_fields["explore"].default, show_default=True)
def main(viewers: int, seeds: int, share: float) -> None:
    world = Exploration(viewers, share)
    table = Table("", "truth", "mean estimate", "mean half width", f"intervals of {seeds} that hold the truth")
    for name, (truth, intervals) in measured(world, seeds).items():
        mean = np.mean([value for value, _, _ in intervals])
        half = np.mean([high - value for value, _, high in intervals])
        table.add_row(name, f"{truth:.4f}", f"{mean:.4f}", f"{half:.4f}", str(covered(truth, intervals)))
    rewards = [world.log(seed)[0].reward for seed in range(seeds)]
    drawn, earned = np.mean([len(night) for night in rewards]), np.concatenate(rewards).mean()
    Console().print(table)
    Console().print(
        f"{drawn:,.0f} drawn slots a night were seen, of {viewers:,} viewers; they earned {earned:.4f} each"
    )


if __name__ == "__main__":
    main()
