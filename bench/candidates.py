"""What sources are worth in one run: "watched next" against a plain cosine, and each learned from some viewers only.

    reelmill import movielens DIR --hold-out 0.2 && reelmill pipeline ingest    # a home with something held out
    python bench/candidates.py --home var

All propose the ten best unseen videos of every person who has held-out ratings, from the same histories. The plain way
is the cosine of co-watching over whole histories, however far apart two watches are, with the same weights. Each source
that `reelmill evaluate` judges then learns from all viewers, and from a half and a quarter of them, drawn by a hash as
on a large platform (jobs/ranking/learn.py). Quality is nDCG@10 with rating / 5 as gain (as in bench/holdout_ndcg.py),
its interval a bootstrap over people. It prints and asserts nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix, diags

from jobs.engine.lake import Lake
from jobs.engine.spark import session
from jobs.evaluation.hold_out import FILE
from jobs.ranking.learn import SHARES, draw
from jobs.ranking.metrics import ndcg
from jobs.ranking.propose import proposed
from jobs.ranking.sources import registry
from jobs.ranking.sources.item_item import ITEM_ITEM, recent
from jobs.ranking.sources.similar import Similar
from jobs.ranking.sources.snapshot import Moment, Snapshot, take_snapshot
from jobs.ranking.sources.source import Propose, Source
from jobs.ranking.watched import World, catalogue_of, first_watches, past
from jobs.settings import Settings

SAMPLES = 2000
PARTS = (2, 4)
# Ratings by viewer and video.
Held = dict[str, dict[str, float]]


def now(world: World) -> int:
    """Right after the newest watch, in microseconds."""
    return int(world.at.max()) + 1


def plain_cosine(snapshot: Snapshot) -> Propose:
    """Videos are alike when the same people watched both: |both| / sqrt(|one| * |other|)."""
    world = snapshot.world
    viewer = np.repeat(np.arange(len(world.viewers)), np.diff(world.starts))
    shape = (len(world.viewers), len(world.videos))
    watched = csr_matrix((np.ones(len(viewer)), (viewer, world.video)), shape=shape)
    scale = diags(1 / np.sqrt(np.maximum(snapshot.audience, 1)))
    alike = (scale @ (watched.T @ watched) @ scale).tocsr()
    alike.setdiag(0)
    return Similar((alike,), recent, ITEM_ITEM.cap)


def measure(source: Source, snapshot: Snapshot, world: World, held: Held) -> tuple[NDArray[np.float64], float]:
    """nDCG@10 of each person, and the seconds of one processor for what the source learns and proposes."""
    started = time.process_time()
    moments = [Moment(n, now(world)) for n, viewer in enumerate(world.viewers) if viewer in held]
    found = list(proposed([(source, source.learn(snapshot))], world, moments))
    seconds = time.process_time() - started
    values = []
    for proposal in found:
        ratings = dict(held[world.viewers[proposal.moment.viewer]])
        shown = [world.videos[v] for v in proposal.found.videos[:10]]
        gains = [ratings.pop(video, 0.0) / 5 for video in shown] + [rating / 5 for rating in ratings.values()]
        positions = np.array([*range(len(shown)), *[np.inf] * len(ratings)])
        values.append(ndcg(np.array(gains), positions, np.zeros(len(gains), dtype=np.int64))[0])
    return np.array(values), seconds


def ratio(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> str:
    """Of the means over the same people, with its interval."""
    drawn = np.random.default_rng(7).integers(0, len(ours), (SAMPLES, len(ours)))
    low, high = np.percentile(ours[drawn].mean(axis=1) / theirs[drawn].mean(axis=1), [2.5, 97.5])
    return f"{ours.mean() / theirs.mean():.2f} [{low:.2f}, {high:.2f}]"


@click.command(help=__doc__)
@click.option("--home", type=click.Path(path_type=Path), required=True, help="A REELMILL_HOME with a hold-out.")
def main(home: Path) -> None:
    settings = Settings(home=home)
    held: Held = defaultdict(dict)
    for row in pq.read_table(settings.home / FILE).to_pylist():
        held[row["user_id"]][row["video_id"]] = row["rating"]
    spark = session(settings)
    lake = Lake(spark, settings)
    drawn = past(first_watches(lake.read("silver.watches"))).withColumn("draw", draw("user_id"))
    watches, catalogue = drawn.toArrow(), catalogue_of(lake.read("silver.videos"))
    spark.stop()
    world = catalogue.world_of(watches)
    whole = take_snapshot(world, now(world))
    measure(ITEM_ITEM, whole, world, held)  # imports and caches warm up
    ours, our_seconds = measure(ITEM_ITEM, whole, world, held)
    plain, plain_seconds = measure(replace(ITEM_ITEM, learn=plain_cosine), whole, world, held)
    table = Table("", "watched next", "plain cosine", "ratio")
    table.add_row(f"nDCG@10 of {len(ours)} people", f"{ours.mean():.4f}", f"{plain.mean():.4f}", ratio(ours, plain))
    table.add_row(
        "processor seconds", f"{our_seconds:.2f}", f"{plain_seconds:.2f}", f"{our_seconds / plain_seconds:.2f}"
    )
    Console().print(table)
    table = Table("nDCG@10, learned from", "all viewers", *[f"1/{part} of them" for part in PARTS])
    for source in registry.JUDGED:
        all_of_it, _ = measure(source, whole, world, held)
        cells = []
        for part in PARTS:
            some = catalogue.world_of(watches.filter(pc.less(watches["draw"], SHARES // part)))
            values, _ = measure(source, take_snapshot(some, now(world), scale=part), world, held)
            cells.append(f"{values.mean():.4f} {ratio(values, all_of_it)}")
        table.add_row(source.name, f"{all_of_it.mean():.4f}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
