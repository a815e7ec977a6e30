"""What a published protocol is: how it reads the user's files, and what it lets lists hold and judges.

Belongs here: the declaration, and writing a part. The protocols: the other modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jobs.evaluation.data import Files
from jobs.evaluation.files import BadFile

if TYPE_CHECKING:
    import pyarrow as pa


class Cut(NamedTuple):
    """The parts as files of an evaluation."""

    files: Files
    test: Path


@dataclass(frozen=True)
class Published:
    """A protocol: `cut` writes the parts of the user's files into a folder; `rules` are told with the results.

    `ks` are the lengths of lists that its tables have.
    """

    name: str
    ks: tuple[int, ...]
    rules: tuple[str, ...]
    cut: Callable[[Sequence[Path], Path], Cut]


def names_of(path: Path) -> list[str]:
    """The columns that a Parquet file has. Raises BadFile where it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise BadFile(f"{path} is no Parquet file: {error}") from None
    return names


def columns_of(path: Path, names: Sequence[str]) -> pa.Table:
    """These columns of a Parquet file. Raises BadFile where it lacks one."""
    import pyarrow.parquet as pq

    there = names_of(path)
    if lacking := [name for name in names if name not in there]:
        raise BadFile(f"{path} has no column {', '.join(lacking)}; it has {', '.join(there)}.")
    return pq.read_table(path, columns=list(names))


def written(pairs: pa.Table, folder: Path, name: str) -> Path:
    """A part as a file. Raises BadFile when it is empty: then the files are others than the protocol is for."""
    import pyarrow.parquet as pq

    if not len(pairs):
        raise BadFile(f"The files have no row for the part {name} of the protocol; are all of them named?")
    path = folder / f"{name}.parquet"
    pq.write_table(pairs, path)
    return path
