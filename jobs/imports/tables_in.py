"""Rows of a file that somebody else wrote, one at a time: CSV, TSV or Parquet, packed with gzip or not.

Belongs here: header, lines, quotes and encoding, with the number of the line and its text, so that a row that cannot be
used can be kept and found. What the columns mean: layouts.py. Reading that stops at the first fault, for data sets
whose files are known to be good: csv_rows.py.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from jobs.arrivals.handover import Progress
from jobs.imports.csv_rows import LONGEST_LINE, BadFile

PARQUET = (".parquet", ".pq")
DELIMITERS = ",\t;|"
REPORT_EVERY = 50_000  # rows
# Of a Parquet file, at once in memory.
BATCH_ROWS = 20_000


@dataclass(frozen=True)
class Row:
    """One row: the values of the columns that were asked for, or the problem why there are none.

    `line` is the line of a text file, counted from 1 with the header, or the row of a Parquet file, counted from 1.
    """

    line: int
    values: Sequence[Any]
    text: Callable[[], str]
    problem: str | None = None


def header(path: Path) -> list[str]:
    """The names of a file's columns. Raises BadFile for one that cannot be read."""
    if path.suffix in PARQUET:
        return list(_parquet(path).schema_arrow.names)
    with _text(path) as (lines, _):
        return _header(path, lines)[0]


def count_rows(path: Path) -> int:
    """How many rows a file has: from its footer, or by counting lines (blank ones too)."""
    if path.suffix in PARQUET:
        return int(_parquet(path).metadata.num_rows)
    with _text(path) as (lines, _):
        return max(sum(1 for _ in lines) - 1, 0)


def rows(path: Path, columns: Sequence[str], tell: Progress) -> Iterator[Row]:
    """Every row in file order with the values of these columns (at least one), which the header must have.

    A text file's values are text; blank lines are passed over. Only a few rows are in memory at any time.
    """
    return _rows_of_parquet(path, columns, tell) if path.suffix in PARQUET else _rows_of_text(path, columns, tell)


def _rows_of_text(path: Path, columns: Sequence[str], tell: Progress) -> Iterator[Row]:
    what, size = f"reading {path.name} (bytes)", path.stat().st_size
    with _text(path) as (lines, position):
        names, delimiter = _header(path, lines)
        places = [names.index(column) for column in columns]
        pick: Callable[[Sequence[str]], Sequence[str]] = (
            itemgetter(*places) if len(places) > 1 else lambda fields: (fields[places[0]],)
        )
        for number, raw in enumerate(lines, start=2):
            if number % REPORT_EVERY == 0:
                tell(what, position(), size)
            try:
                line = raw.decode("utf-8").rstrip("\r\n")
                if not line.strip():
                    continue
                fields = _split(line, delimiter)
            except (UnicodeDecodeError, csv.Error) as error:
                yield Row(number, (), _decoded(raw), _why(error))
                continue
            if len(fields) != len(names):
                yield Row(number, (), _decoded(raw), f"{len(fields)} values where the header has {len(names)}")
                continue
            yield Row(number, pick(fields), _decoded(raw))
    tell(what, size, size)


def _rows_of_parquet(path: Path, columns: Sequence[str], tell: Progress) -> Iterator[Row]:
    file = _parquet(path)
    total, number = file.metadata.num_rows, 0
    for batch in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(columns))):
        taken = [batch.column(column).to_pylist() for column in columns]
        for values in zip(*taken, strict=True):
            number += 1
            yield Row(number, values, _as_json(columns, values))
        tell(f"reading {path.name}", number, total)


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except OSError as error:
        raise BadFile(path, f"cannot be read ({error.strerror or error})") from None
    except pa.ArrowInvalid as error:
        raise BadFile(path, f"is not a Parquet file ({error})") from None


@contextmanager
def _text(path: Path) -> Iterator[tuple[Iterator[bytes], Callable[[], int]]]:
    """The lines of a text file, and a function that says how many of the file's bytes are read."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadFile(path, f"cannot be read ({error.strerror})") from None
    with file:
        content: BinaryIO = file
        if path.suffix == ".gz":
            content = io.BufferedReader(gzip.GzipFile(fileobj=file))
        yield _lines(path, content), file.tell


def _lines(path: Path, content: BinaryIO) -> Iterator[bytes]:
    try:
        for number, raw in enumerate(iter(lambda: content.readline(LONGEST_LINE + 1), b""), start=1):
            if len(raw) > LONGEST_LINE:
                raise BadFile(path, f"is longer than {LONGEST_LINE} bytes", line=number)
            yield raw
    except (EOFError, gzip.BadGzipFile) as error:
        raise BadFile(path, f"is not a whole gzip file ({error})") from None


def _header(path: Path, lines: Iterator[bytes]) -> tuple[list[str], str]:
    """The names in the first line, and what separates them."""
    try:
        line = next(lines, b"").decode("utf-8-sig").rstrip("\r\n")
        delimiter = max(DELIMITERS, key=line.count)
        names = [name.strip() for name in _split(line, delimiter)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFile(path, _why(error), line=1) from None
    if not line.strip():
        raise BadFile(path, "is empty; the first line must name the columns", line=1)
    return names, delimiter


def _split(line: str, delimiter: str) -> list[str]:
    """The values of one line, by RFC 4180. Raises csv.Error."""
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader((line,), delimiter=delimiter, strict=True))


def _why(error: UnicodeDecodeError | csv.Error) -> str:
    # Without the byte and its place: rows are counted by this sentence.
    return "the line is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"the line is not CSV: {error}"


def _decoded(raw: bytes) -> Callable[[], str]:
    return lambda: raw.decode("utf-8", "replace").rstrip("\r\n")


def _as_json(columns: Sequence[str], values: Sequence[Any]) -> Callable[[], str]:
    return lambda: orjson.dumps(dict(zip(columns, values, strict=True)), default=str).decode()
