"""Reading the plain files of an evaluation: pairs, lists of ids, and feature rows.

Belongs here: what a file may look like, what is wrong with one, and where. What becomes of the pairs: data.py. Logs of
what was shown by chance: logged.py.

A file of pairs has the columns user_id and video_id, and perhaps timestamp and rating; others are left alone. It is CSV
with a header, or Parquet; .gz of either. Ids are strings: the integer 7, the float 7.0 and the text 7 are one id.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.errors import ReelmillError

if TYPE_CHECKING:
    import pyarrow as pa

USER, VIDEO, TIME, RATING = "user_id", "video_id", "timestamp", "rating"
# Numbers say no unit. Seconds reach these bounds in the years 5138 and 3170843, microseconds passed the upper one in
# 1973.
SECONDS_BELOW, MILLISECONDS_BELOW = 1e11, 1e14


class BadFile(ReelmillError):
    """A file cannot be what it was given for."""


@dataclass(frozen=True)
class Pairs:
    """Who watched what, row by row: ids as strings, and where the file has them microseconds since 1970 and ratings."""

    users: pa.Array
    videos: pa.Array
    at: NDArray[np.int64] | None
    rating: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.users)


def read_pairs(path: Path) -> Pairs:
    """The rows of a file of pairs, in its order."""
    table = read_table(path)
    users, videos = ids_of(path, table, USER), ids_of(path, table, VIDEO)
    if not len(users):
        raise BadFile(f"{path} has a header and no rows.")
    at = _times(path, table) if TIME in table.column_names else None
    rating = numbers_of(path, table, RATING) if RATING in table.column_names else None
    if rating is not None and rating.min() < 0:
        raise bad_row(path, RATING, int(np.argmin(rating)), f"{rating.min():g} is below 0; a rating is 0 or more")
    return Pairs(users, videos, at, rating)


def read_ids(path: Path) -> pa.Array:
    """The column video_id of a file, in its order, each id once."""
    ids = ids_of(path, read_table(path), VIDEO)
    if len(ids.unique()) < len(ids):
        _, first = np.unique(ids.to_numpy(zero_copy_only=False), return_index=True)
        row = int(np.setdiff1d(np.arange(len(ids)), first)[0])
        raise bad_row(path, VIDEO, row, f"{ids[row]} stands there for the second time")
    return ids


def read_features(paths: Sequence[Path]) -> list[NDArray[np.float32]]:
    """The rows of each .npy file at length 1, or 0: one row is one video in all files."""
    parts: list[NDArray[np.float32]] = []
    for path in paths:
        try:
            # Mapped, so that a file of float64 is never held twice.
            loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BadFile(f"{path} is no .npy file of numbers: {error}") from None
        if loaded.ndim != 2 or loaded.dtype.kind not in "fiu":
            raise BadFile(
                f"{path} has the shape {loaded.shape} and the type {loaded.dtype}; needed are rows of numbers."
            )
        rows = np.array(loaded, dtype=np.float32)
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0]
            raise BadFile(f"{path}, row {row}, column {column}: {rows[row, column]} is no number to compare by.")
        if parts and len(rows) != len(parts[0]):
            raise BadFile(f"{path} has {len(rows)} rows, and {paths[0]} has {len(parts[0])}: one row is one video.")
        parts.append(of_length_one(rows))
    return parts


def of_length_one(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row over its length; a row of zeros stays one."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return scaled


def read_table(path: Path) -> pa.Table:
    """All columns of a file; those of CSV as strings, so that an id such as 007 stays what it is."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    content = _content(path)
    try:
        if content.startswith(b"PAR1"):
            return pyarrow.parquet.read_table(io.BytesIO(content))
        header = content[: content.find(b"\n") + 1 or None].decode("utf-8-sig").strip("\r\n")
        names = next(csv.reader([header]), [])
        strings = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        )
        return pyarrow.csv.read_csv(io.BytesIO(content), convert_options=strings)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise BadFile(f"{path} cannot be read: {error}") from None


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError) as error:
        raise BadFile(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _column(path: Path, table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        raise BadFile(f"{path} has no column {name}; it has {', '.join(table.column_names) or 'none'}.")
    column = table[name].combine_chunks()
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise bad_row(path, name, row, "is empty")
    return column


def ids_of(path: Path, table: pa.Table, name: str) -> pa.Array:
    """A column of ids as strings. Raises BadFile where one is empty or no id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _column(path, table, name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        # What pandas makes of a column of integers that once had a gap.
        numbers = column.to_numpy(zero_copy_only=False)
        broken = numbers != np.floor(numbers)
        if broken.any():
            row = int(np.argmax(broken))
            raise bad_row(path, name, row, f"{numbers[row]} is no id; ids are texts or integers")
        column = pc.cast(column, pa.int64())
    ids = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    blank = pc.equal(ids, "").to_numpy(zero_copy_only=False)
    if blank.any():
        raise bad_row(path, name, int(np.argmax(blank)), "is empty")
    return ids


def numbers_of(path: Path, table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of finite numbers. Raises BadFile where one is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _column(path, table, name)
    try:
        numbers: NDArray[np.float64] = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        row = next(n for n, value in enumerate(column.to_pylist()) if not _is_number(value))
        raise bad_row(path, name, row, f"{column[row].as_py()!r} is not a number") from None
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers)))
        raise bad_row(path, name, row, f"{numbers[row]} is not a number")
    return numbers


def _times(path: Path, table: pa.Table) -> NDArray[np.int64]:
    """Microseconds since 1970, from numbers (their size tells seconds, milli- and microseconds) or from dates."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _column(path, table, TIME)
    if pa.types.is_string(column.type) and not _is_number(column[0].as_py()):
        try:
            column = pc.cast(column, pa.timestamp("us"))
        except pa.ArrowException as error:
            raise BadFile(
                f"{path}, column {TIME}: neither numbers nor dates such as 2026-01-31 08:00:00: {error}"
            ) from None
    if pa.types.is_temporal(column.type):
        microseconds: NDArray[np.int64] = pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()).to_numpy()
        return microseconds
    numbers = numbers_of(path, pa.table({TIME: column}), TIME)
    largest = np.abs(numbers).max()
    factor = 1e6 if largest < SECONDS_BELOW else 1e3 if largest < MILLISECONDS_BELOW else 1.0
    return (numbers * factor).astype(np.int64)


def _is_number(value: object) -> bool:
    try:
        return bool(np.isfinite(float(str(value))))
    except ValueError:
        return False


def bad_row(path: Path, column: str, row: int, what: str) -> BadFile:
    """The complaint with the place: the line of a CSV, where blank lines and breaks in quotes count, or the row."""
    content = _content(path)
    if content.startswith(b"PAR1"):
        return BadFile(f"{path}, row {row} (from 0), column {column}: {what}.")
    lines = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    filled = (line for line in lines if line)
    for _ in range(row + 2):
        next(filled)
    return BadFile(f"{path}, line {lines.line_num}, column {column}: {what}.")
