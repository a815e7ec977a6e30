"""What it takes to let sources and ranker learn and to rank everybody, part by part, as the number of pairs grows.

    python bench/ranking.py                        # 10^5 and 10^6 pairs
    python bench/ranking.py --pairs 1e5,1e6,1e7    # half an hour

Each size is drawn, and goes through `reelmill evaluate` in a process of its own: viewers with a few tastes among topics
whose videos differ in popularity, histories of geometric length, a tenth of the pairs each for validation and test.
Every part is given in seconds and in the most memory that the process held meanwhile, with what was there before; two
sources work beside each other. The last column is the exponent of growth from the first size to the last, log(seconds)
over log(pairs): 1 is linear. Scoring against a bare LightGBM: bench/feeds.py. It prints and asserts nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from math import log
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

TOPICS, TASTES, MEAN_HISTORY = 100, 3, 50
# Of a viewer's pairs, so many are of their tastes; the others are of any topic.
OF_TASTE = 0.7


class Taken(NamedTuple):
    """One size: training pairs and viewers, and of each part its seconds and megabytes."""

    pairs: int
    viewers: int
    parts: dict[str, tuple[float, float]]


def draw(pairs: int, videos: int, where: Path) -> None:
    """Write the three files, with about so many pairs in all."""
    chance = np.random.default_rng(5)
    viewers = max(pairs // MEAN_HISTORY, 1)
    lengths = np.minimum(2 + chance.geometric(1 / (MEAN_HISTORY - 2), viewers), videos // 4)
    viewer = np.repeat(np.arange(viewers), lengths)
    a_topic = videos // TOPICS
    # Zipf's law within a topic: half of what is watched are the first root of its videos.
    place = (a_topic ** chance.random(len(viewer))).astype(np.int64) - 1
    tastes = chance.integers(0, TOPICS, (viewers, TASTES))
    own = tastes[viewer, chance.integers(0, TASTES, len(viewer))]
    topic = np.where(chance.random(len(viewer)) < OF_TASTE, own, chance.integers(0, TOPICS, len(viewer)))
    keys = np.unique(viewer * videos + topic * a_topic + place)
    part = chance.choice(3, len(keys), p=(0.8, 0.1, 0.1))
    for n, name in enumerate(("train", "valid", "test")):
        viewer, video = np.divmod(keys[part == n], videos)
        pq.write_table(pa.table({"user_id": viewer, "video_id": video}), where / f"{name}.parquet")


def measure(pairs: int, videos: int) -> Taken:
    """Draw so many pairs and let the command judge itself on them."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        draw(pairs, videos, where)
        files = [word for name in ("train", "valid", "test") for word in (f"--{name}", where / f"{name}.parquet")]
        command = [sys.executable, "-m", "jobs.command.cli", "evaluate", *files, "--k", "20", "--json", where / "found"]
        begun = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - begun
        found = json.loads((where / "found").read_text())
    parts = {
        s["name"] if s["fit"] == "train" else f"{s['name']} ({s['fit']})": (s["seconds"], s["peak_mb"])
        for s in found["systems"]
    }
    parts["all lists, everything learned"] = (found["seconds"], found["peak_mb"])
    parts["the command, judged and written"] = (seconds, found["peak_mb"])
    return Taken(found["data"]["training_pairs"], found["data"]["training_viewers"], parts)


@click.command(help=__doc__)
@click.option("--pairs", default="1e5,1e6", show_default=True, help="Sizes, smallest first.")
@click.option("--videos", default=10_000, show_default=True)
def main(pairs: str, videos: int) -> None:
    console = Console()
    sizes = []
    for text in pairs.split(","):
        with console.status(f"{text} pairs"):
            sizes.append(measure(int(float(text)), videos))
    table = Table("", *[f"{size.pairs:,} pairs of {size.viewers:,}" for size in sizes], "exponent")
    for name, (first, _) in sizes[0].parts.items():
        spent = [size.parts[name] for size in sizes if name in size.parts]
        grown = log(spent[-1][0] / first) / log(sizes[-1].pairs / sizes[0].pairs) if len(spent) > 1 else float("nan")
        table.add_row(name, *[f"{seconds:,.1f} s, {mb:,.0f} MB" for seconds, mb in spent], f"{grown:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
