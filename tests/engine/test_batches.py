"""Batches of rows put together again."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.batches import whole_groups


@given(sizes=st.lists(st.integers(1, 9), max_size=12), cut=st.integers(1, 7), at_once=st.integers(1, 12))
def test_nobodys_rows_are_cut_in_two_and_none_is_lost(sizes: list[int], cut: int, at_once: int) -> None:
    people = [f"u{n}" for n, size in enumerate(sizes) for _ in range(size)]
    table = pa.table({"user_id": pa.array(people, pa.string()), "row": range(len(people))})
    made = list(whole_groups(table.to_batches(max_chunksize=cut), "user_id", at_once))
    assert [row for part in made for row in part["row"].to_pylist()] == list(range(len(people)))
    seen = [set(part["user_id"].to_pylist()) for part in made]
    assert sum(map(len, seen)) == len(sizes)
