"""Searches among the vectors of gold.embeddings: exactly, or by an index that is faster and nearly exact.

Belongs here: reading vectors without Spark, and the two ways to search. Who learns them: similar.py and sources/. What
a video is most similar to by lists: gold.similar_videos.

The nearest ones are those with the largest inner product. An exact search of 10^6 videos with 128 numbers reads half a
gigabyte, some tenths of a second; the index (HNSW, by usearch) is built once and asked often. `bench/vectors.py` says
how many of the exact answers it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray

from jobs.engine.query import exists, span
from jobs.engine.tables import Tables, text_in
from jobs.errors import ReelmillError
from jobs.ranking.sources.factors import FACTORS
from jobs.settings import Settings

if TYPE_CHECKING:
    from usearch.index import Index

Matrix = NDArray[np.float32]
Kind = Literal["video", "user"]

TABLE = "gold.embeddings"
# Rows whose products are made at once: 32 MB of vectors stay in a cache, and 10^6 products are 4 MB.
BLOCK = 65_536
# Of the index: links of a vector, and how many are looked at when one is added, and when one is searched.
LINKS, ADDING, SEARCHING = 16, 200, 200


class NoVector(ReelmillError):
    """There is no vector of that viewer or video."""


class OtherVectors(ReelmillError):
    """Vectors of two models were to be compared."""


class Embedding(NamedTuple):
    """A vector, and what it can be compared with."""

    model: str
    model_version: str
    vector: Matrix


class Near(NamedTuple):
    """One found vector: of what, and its product with what was searched for."""

    id: str
    score: float


@dataclass(frozen=True)
class Vectors:
    """The vectors of all videos, or viewers, in one version of a model: row n is of ids[n]."""

    model_version: str
    ids: NDArray[np.object_]
    matrix: Matrix


def get_user_embedding(user_id: str, settings: Settings | None = None, model: str = FACTORS.name) -> Embedding:
    """The newest vector of a viewer. Raises NoVector."""
    return _newest("user", user_id, settings or Settings(), model)


def get_video_embedding(video_id: str, settings: Settings | None = None, model: str = FACTORS.name) -> Embedding:
    """The newest vector of a video. Raises NoVector."""
    return _newest("video", video_id, settings or Settings(), model)


def newest_vectors(kind: Kind, settings: Settings | None = None, model: str = FACTORS.name) -> Vectors:
    """All vectors of videos, or of viewers, as of the newest night. Raises NoVector."""
    rows = _rows(settings or Settings(), model, kind).sort_by("id")
    if not len(rows):
        raise NoVector(f"No {kind} has a vector by {model} as of the newest night.")
    flat = rows["vector"].combine_chunks().flatten().to_numpy()
    ids = rows["id"].to_numpy().astype(object)
    return Vectors(rows["model_version"][0].as_py(), ids, flat.reshape(len(rows), -1))


def vector_search(
    embedding: Embedding, k: int, among: Vectors | None = None, settings: Settings | None = None
) -> list[Near]:
    """The k videos with the largest products, best first, ties by id; exact. Among those of newest_vectors by default.

    Raises OtherVectors if they were learned on another night.
    """
    vectors = among or newest_vectors("video", settings, embedding.model)
    if embedding.model_version != vectors.model_version:
        raise OtherVectors(
            f"A vector of {embedding.model_version} says nothing of videos in {vectors.model_version}: search with one "
            "of the same night."
        )
    best = _best(_products(vectors.matrix, embedding.vector), k)
    return [Near(str(vectors.ids[n]), float(score)) for n, score in best]


def index_of(vectors: Vectors) -> Index:
    """An index of the videos, for `approximate_search`: 10^6 of them take some minutes and 0.7 GB."""
    from usearch.index import Index

    wide = vectors.matrix.shape[1]
    index = Index(
        ndim=wide, metric="ip", dtype="f32", connectivity=LINKS, expansion_add=ADDING, expansion_search=SEARCHING
    )
    # By one thread, so that the same vectors give the same index.
    index.add(np.arange(len(vectors.ids)), vectors.matrix, threads=1)
    return index


def approximate_search(embedding: Embedding, k: int, vectors: Vectors, index: Index) -> list[Near]:
    """As vector_search, by the index of the same vectors: nearly all of ten videos, but not of a hundred."""
    found = index.search(embedding.vector, k, threads=1).keys.astype(np.int64)
    products = vectors.matrix[found] @ embedding.vector
    return [Near(str(vectors.ids[found[n]]), float(score)) for n, score in _best(products, k)]


def _products(matrix: Matrix, vector: Matrix) -> Matrix:
    parts = [matrix[begin : begin + BLOCK] @ vector for begin in range(0, len(matrix), BLOCK)]
    return np.concatenate(parts)


def _best(scores: Matrix, k: int) -> list[tuple[int, float]]:
    least = np.partition(scores, -k)[-k] if len(scores) > k else -np.inf
    places = np.flatnonzero(scores >= least)
    order = places[np.lexsort((places, -scores[places]))][:k]
    return [(int(n), float(scores[n])) for n in order]


def _newest(kind: Kind, id: str, settings: Settings, model: str) -> Embedding:
    rows = _rows(settings, model, kind, id)
    if not len(rows):
        raise NoVector(
            f"There is no vector of the {kind} {id!r} by {model}: nobody watched it, or they watched nothing, by the "
            "newest night. `reelmill run ranking.similar` makes the vectors of a night."
        )
    (row,) = rows.to_pylist()
    return Embedding(model, row["model_version"], np.array(row["vector"], dtype=np.float32))


def _rows(settings: Settings, model: str, kind: Kind, id: str | None = None) -> pa.Table:
    """The rows of the newest night, of one id or of all."""
    days = span(TABLE, settings) if exists(TABLE, settings) else None
    if days is None:
        raise NoVector(f"{TABLE} is empty: `reelmill pipeline nightly` makes the vectors of the newest day.")
    newest = (days[1] - timedelta(days=1)).date()
    wanted = (ds.field("event_date") == newest) & (text_in("model") == model) & (text_in("kind") == kind)
    if id is not None:
        wanted &= text_in("id") == id
    return Tables.of(settings).open(TABLE).to_pyarrow_dataset().to_table(filter=wanted)
