"""Searching vectors: the exact way agrees with sorting, the index nearly, and only what can be compared is."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.tables import Tables
from jobs.ranking.vectors import (
    TABLE,
    Embedding,
    NoVector,
    OtherVectors,
    Vectors,
    approximate_search,
    get_user_embedding,
    get_video_embedding,
    index_of,
    newest_vectors,
    vector_search,
)
from jobs.settings import Settings


def drawn(many: int, seed: int, wide: int = 16) -> Vectors:
    chance = np.random.default_rng(seed)
    # Whole numbers, so that some products are equal.
    matrix = chance.integers(-3, 4, (many, wide)).astype(np.float32)
    return Vectors("m", np.array([f"v{n:04}" for n in range(many)], dtype=object), matrix)


@given(many=st.integers(1, 60), k=st.integers(1, 70), seed=st.integers(0, 9))
def test_the_exact_search_gives_the_largest_products_in_order_ties_by_id(many: int, k: int, seed: int) -> None:
    vectors = drawn(many, seed, wide=3)
    asked = Embedding("factors", "m", np.array([1, 2, -1], dtype=np.float32))
    products = dict(zip(vectors.ids, (vectors.matrix @ asked.vector).tolist(), strict=True))
    expected = sorted(products.items(), key=lambda item: (-item[1], item[0]))[:k]
    assert [tuple(near) for near in vector_search(asked, k, vectors)] == expected


def test_the_index_finds_nearly_all_that_the_exact_search_finds() -> None:
    vectors = drawn(2000, 1)
    index = index_of(vectors)
    shares = []
    for seed in range(20):
        asked = Embedding("factors", "m", np.random.default_rng(seed).normal(size=16).astype(np.float32))
        exact, found = vector_search(asked, 10, vectors), approximate_search(asked, 10, vectors, index)
        assert [near.score for near in found] == sorted((near.score for near in found), reverse=True)
        shares.append(len({near.id for near in exact} & {near.id for near in found}) / 10)
    assert np.mean(shares) > 0.95


def test_a_viewer_is_searched_with_among_the_videos_of_the_newest_night(settings: Settings) -> None:
    with pytest.raises(NoVector, match="pipeline nightly"):
        get_user_embedding("ann", settings)
    told = [
        (date(2026, 1, 4), "video", "old", "20260104-a", [9.0, 9.0]),
        (date(2026, 1, 5), "video", "b", "20260105-b", [0.0, 1.0]),
        (date(2026, 1, 5), "video", "a", "20260105-b", [2.0, 0.0]),
        (date(2026, 1, 5), "user", "ann", "20260105-b", [1.0, 1.0]),
    ]
    days, kinds, ids, versions, vectors = zip(*told, strict=True)
    table = {
        "event_date": pa.array(days),
        "kind": pa.array(kinds),
        "id": pa.array(ids),
        "model": pa.array(["factors"] * len(told)),
        "model_version": pa.array(versions),
        "vector": pa.array(vectors, type=pa.list_(pa.float32())),
    }
    write_deltalake(Tables.of(settings).uri(TABLE), pa.table(table))
    ann = get_user_embedding("ann", settings)
    assert [tuple(near) for near in vector_search(ann, 9, settings=settings)] == [("a", 2.0), ("b", 1.0)]
    assert get_video_embedding("b", settings).vector.tolist() == [0.0, 1.0]
    with pytest.raises(NoVector, match="'old'"):
        get_video_embedding("old", settings)
    with pytest.raises(OtherVectors, match="20260104"):
        vector_search(ann._replace(model_version="20260104-a"), 9, newest_vectors("video", settings))
