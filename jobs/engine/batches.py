"""Rows that come to a task in Arrow batches, put together again where somebody's would be cut off.

Belongs here: what several rooms do with batches of rows before they look at them. Frames of Spark: frames.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc


def whole_groups(batches: Iterable[pa.RecordBatch], by: str, at_once: int) -> Iterator[pa.Table]:
    """The rows in tables of `at_once` and more; those with one value of `by`, which lie together, stay together."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= at_once:
            rows = pa.Table.from_batches(held)
            last = pc.index(rows[by], rows[by][-1]).as_py()
            if last:
                yield rows.slice(0, last)
            held = rows.slice(last).to_batches()
    if held:
        yield pa.Table.from_batches(held)
