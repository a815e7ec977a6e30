"""Searching vectors by an index against all products: answers that it finds, time and memory, as ratios in one run.

    python bench/vectors.py                 # drawn vectors, about as uneven as learned ones
    python bench/vectors.py --home var      # the vectors of the newest night of a home

Each asks for the k nearest of vectors that are not in the index, one at a time: viewers', or drawn ones. Recall is the
part of the k exact answers that the index gives. It prints and asserts nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from jobs.ranking.sources.factors import DIM, FACTORS
from jobs.ranking.vectors import (
    Embedding,
    Kind,
    Matrix,
    Near,
    Vectors,
    approximate_search,
    index_of,
    newest_vectors,
    vector_search,
)
from jobs.settings import Settings

K = (10, 100)
KINDS: tuple[Kind, Kind] = ("video", "user")
Search = Callable[[Embedding, int], list[Near]]
ASKED = 200


def drawn(videos: int) -> tuple[Vectors, Matrix]:
    """Vectors around a few hundred centres, of very different lengths, and such to ask for."""
    chance = np.random.default_rng(7)
    centres = chance.normal(size=(300, DIM))

    def near(many: int) -> Matrix:
        scattered = centres[chance.integers(0, len(centres), many)] + 0.7 * chance.normal(size=(many, DIM))
        return (scattered * chance.gamma(2, size=(many, 1))).astype(np.float32)

    return Vectors("drawn", np.array([f"v{n:07}" for n in range(videos)], dtype=object), near(videos)), near(ASKED)


def of_home(home: Path) -> tuple[Vectors, Matrix]:
    videos, viewers = (newest_vectors(kind, Settings(home=home), FACTORS.name) for kind in KINDS)
    places = np.random.default_rng(7).permutation(len(viewers.ids))[:ASKED]
    return videos, viewers.matrix[places]


def timed(search: Search, k: int, asked: Matrix, version: str) -> tuple[list[set[str]], float]:
    """What is found for each, and milliseconds of the processor for one."""
    started = time.process_time()
    found = [{near.id for near in search(Embedding("", version, vector), k)} for vector in asked]
    return found, 1000 * (time.process_time() - started) / len(asked)


@click.command(help=__doc__)
@click.option("--home", type=click.Path(path_type=Path), help="A REELMILL_HOME with gold.embeddings.")
@click.option("--videos", default=100_000, show_default=True, help="So many drawn ones, without a home.")
def main(home: Path | None, videos: int) -> None:
    vectors, asked = of_home(home) if home else drawn(videos)
    started = time.process_time()
    index = index_of(vectors)
    built = time.process_time() - started
    table = Table(f"{len(vectors.ids)} vectors", "exact ms", "index ms", "ratio", "recall")
    version = vectors.model_version
    exactly = partial(vector_search, among=vectors)
    nearly = partial(approximate_search, vectors=vectors, index=index)
    for k in K:
        exact, exact_ms = timed(exactly, k, asked, version)
        found, index_ms = timed(nearly, k, asked, version)
        recall = np.mean([len(a & b) / len(a) for a, b in zip(exact, found, strict=True)])
        ratio = f"{index_ms / exact_ms:.2f}"
        table.add_row(f"the {k} nearest", f"{exact_ms:.2f}", f"{index_ms:.2f}", ratio, f"{recall:.3f}")
    Console().print(table)
    Console().print(f"index: {built:.1f} s to build, {index.memory_usage / 1e6:.0f} MB with its vectors")


if __name__ == "__main__":
    main()
