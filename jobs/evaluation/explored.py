"""What another order of the feeds would have earned, from the slots that chance has filled on the lake.

Belongs here: from gold.explorations and the candidates of the nights to what counterfactual.py estimates from. Which
slots are drawn: jobs/feeds/draws.py. What followed: jobs/feeds/rewards.py. How it is printed: jobs/command/.

What is estimated is the mean reward of a slot that is drawn at random from the feed that the order would have made of
the candidates of that night, seen where drawn slots were seen. So a drawn video has the target probability 1 / slots if
it is in that feed, else 0, and a weight of n / slots at most. It says which videos are worth a slot. The order of the
slots among each other it does not say: for that the gate has nDCG.

A model is judged on nights from its own on: what followed on earlier ones it has learned from. Only viewers with a
drawn slot are scored, by the arrays that make feeds (jobs/feeds/slots.py), and each night by Spark tasks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.batches import whole_groups
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.evaluation.counterfactual import Estimates, difference, estimate
from jobs.evaluation.logged import Logged
from jobs.feeds.build import AT_ONCE, VIEWER, Tonight, tonight
from jobs.feeds.rewards import EXPLORATIONS
from jobs.feeds.slots import candidates_of, placed_of
from jobs.ranking.intervals import Interval
from jobs.ranking.model import MODELS, InService
from jobs.ranking.orders import Order
from jobs.ranking.serving import system_of
from jobs.ranking.spacing import SLOTS
from serving.feed_store.layout import night_of

CANDIDATES = "gold.candidates"
# Drawn slots that one estimate rests on, in one process: 40 bytes each, and the mean of so many is good to 0.3 % of the
# reward's deviation. Of more, whole viewers are taken by a hash.
AT_MOST = 500_000
SHARES = 1_000_000
TARGETS = "user_id string, proposed string, targets array<double>"
System = InService | Order


class NothingExplored(ReelmillError):
    """No drawn slot says anything of a system."""


@dataclass(frozen=True)
class Beside:
    """A system beside what served, by the same slots; the difference is of the doubly robust estimates, paired."""

    system: str
    nights: int
    estimates: Estimates
    served: Estimates
    difference: Interval


@dataclass(frozen=True)
class _Night:
    """The drawn slots of one feed version; `targets` has a column for what served, and one for each system."""

    night: date
    viewers: list[str]
    position: NDArray[np.int64]
    reward: NDArray[np.float64]
    propensity: NDArray[np.float64]
    targets: NDArray[np.float64]


def judge(
    lake: Lake, names: Sequence[str], tell: Callable[[str, int, int], None] = lambda what, done, total: None
) -> list[Beside]:
    """Each of the systems beside what served, in their order. Raises NothingExplored."""
    rows = _sampled(lake.read(EXPLORATIONS)) if lake.exists(EXPLORATIONS) else None
    versions = _versions(rows) if rows is not None else []
    if rows is None or not versions:
        raise NothingExplored(
            "No slot that chance has filled was seen yet: gold.explorations is empty. Feeds have such slots unless "
            "REELMILL_EXPLORE is 0, and a night writes what followed two days after they were seen."
        )
    systems = {name: _found(lake, name) for name in names}
    first = {name: _first_night(lake, system) for name, system in systems.items()}
    nights = []
    for done, (version, model_version) in enumerate(versions):
        tell("feed versions", done, len(versions))
        served = system_of(lake, model_version)
        night = night_of(version)
        if served is not None and night is not None:
            own = rows.where((F.col("feed_version") == version) & (F.col("model_version") == model_version))
            nights.append(_judged(lake, own, night, [served, *systems.values()]))
    tell("feed versions", len(versions), len(versions))
    return [_beside(name, [n for n in nights if n.night >= first[name]], place) for place, name in enumerate(names, 1)]


def targets(night: Tonight, systems: Sequence[System]) -> DataFrame:
    """What is in any system's feed of a viewer, as TARGETS: the chance of a video in a slot drawn from each feed."""
    columns, policy, shared = night.columns, night.policy, night.shared

    def place(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue, models = shared.value, [system.load() for system in systems]
        for rows in whole_groups(batches, VIEWER, AT_ONCE):
            made = candidates_of(rows, catalogue, columns)
            if not len(made.frame):
                continue
            slots = np.minimum(np.bincount(made.viewer), SLOTS)[made.viewer]
            position = [placed_of(made, catalogue, columns, model, policy).position for model in models]
            chance = np.where(np.stack(position, axis=1) < SLOTS, 1 / slots[:, None], 0.0)
            somewhere = np.flatnonzero(chance.any(axis=1))
            yield pa.RecordBatch.from_pydict(
                {
                    "user_id": made.viewers.take(made.viewer[somewhere]),
                    "proposed": catalogue.videos.take(made.video[somewhere]),
                    "targets": pa.ListArray.from_arrays(
                        np.arange(len(somewhere) + 1, dtype=np.int32) * len(models), chance[somewhere].ravel()
                    ),
                }
            )

    return night.said.repartition("user_id").sortWithinPartitions("user_id").mapInArrow(place, TARGETS)


def _judged(lake: Lake, rows: DataFrame, night: date, systems: Sequence[System]) -> _Night:
    """The drawn slots of the night whose viewers still have candidates of it."""
    window = Window.of_day(night)
    mine = lake.of(CANDIDATES, window).join(rows.select("user_id").distinct(), on="user_id", how="left_semi")
    found = targets(tonight(lake, mine, window.end), systems)
    slot = ["user_id", "position", "reward", "propensity"]
    nothing = F.array(*[F.lit(0.0)] * len(systems))
    # Every viewer with candidates has a feed, so whose candidates are gone falls out here.
    weighed = (
        rows.join(found, on="user_id", how="inner")
        .groupBy(*slot)
        .agg(F.coalesce(F.max(F.when(F.col("proposed") == F.col("video_id"), F.col("targets"))), nothing).alias("t"))
        .orderBy("user_id", "position")
        .toArrow()
    )
    return _Night(
        night,
        weighed["user_id"].to_pylist(),
        weighed["position"].to_numpy().astype(np.int64),
        weighed["reward"].to_numpy().astype(np.float64),
        weighed["propensity"].to_numpy(),
        np.array(weighed["t"].combine_chunks().flatten()).reshape(-1, len(systems)),
    )


def _beside(name: str, nights: Sequence[_Night], place: int) -> Beside:
    """The estimates of the system in that column of the nights' targets, and of what served."""
    viewers = [viewer for night in nights for viewer in night.viewers]
    if not viewers:
        raise NothingExplored(
            f"No drawn slot says anything of {name}: a model is judged by feeds of its own night and later ones, as "
            "far as gold.candidates has those nights. Judge an older one (`reelmill models list`), or wait."
        )
    number = np.unique(viewers, return_inverse=True)[1].astype(np.int64)
    position, reward, propensity, chance = (
        np.concatenate([getattr(night, part) for night in nights])
        for part in ("position", "reward", "propensity", "targets")
    )
    here, there = (Logged(number, position, reward, propensity, chance[:, column]) for column in (place, 0))
    judged = len({night.night for night in nights if night.viewers})
    return Beside(name, judged, estimate(here), estimate(there), difference(here, there))


def _sampled(rows: DataFrame) -> DataFrame:
    """About AT_MOST rows, of whole viewers."""
    count = rows.count()
    if count <= AT_MOST:
        return rows
    return rows.where(F.pmod(F.xxhash64("user_id"), F.lit(SHARES)) < AT_MOST * SHARES // count)


def _versions(rows: DataFrame) -> list[tuple[str, str]]:
    """The feed versions with drawn slots, and what ordered their other slots: each arm of a version by itself."""
    found = rows.select("feed_version", "model_version").distinct().orderBy("feed_version").collect()
    return [(row["feed_version"], row["model_version"]) for row in found]


def _found(lake: Lake, name: str) -> System:
    system = system_of(lake, name)
    if system is None:
        raise NothingExplored(f"There is no model and no plain order {name}. `reelmill models list` names the models.")
    return system


def _first_night(lake: Lake, system: System) -> date:
    """The first night that a system can be judged by: a model's own, since nothing after it has taught it."""
    if isinstance(system, Order):
        return date.min
    row = lake.read(MODELS).where(F.col("model_version") == system.version).select("event_date").first()
    assert row is not None, "it was found by this row"
    night: date = row["event_date"]
    return night
