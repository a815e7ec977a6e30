"""Strict reading of a CSV file that someone else wrote: the first thing wrong is an error naming file, line and column.

Belongs here: lines, quotes, encoding, and one value per column. What the columns mean together (duplicates, ids that
point nowhere): the importer that reads them, e.g. movielens.py. Spark's and Arrow's readers are of no use for this: the
first turns bad values into NULL, the second cannot say in which column of which line a quote or a byte was wrong.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jobs.errors import ReelmillError

LONGEST_LINE = 1 << 20  # bytes; a file without newlines must not be read into memory whole
FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')
CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class BadFile(ReelmillError):
    """A file to import is missing or something in it is wrong."""

    def __init__(self, path: Path, problem: str, *, line: int | None = None, column: str | None = None) -> None:
        where = str(path)
        if line is not None:
            where += f", line {line}"
        if column is not None:
            where += f", column {column}"
        super().__init__(f"{where}: {problem}. Nothing was imported; mend the file and import again.")
        self.path, self.line, self.column = path, line, column


@dataclass(frozen=True)
class Column:
    """A column by its name in the header, what its values look like in words, and how to read one.

    `parse` raises ValueError for any other text.
    """

    name: str
    expects: str
    parse: Callable[[str], Any]


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Digits without sign, space or leading zero ("01" and "1" would be two ids for one thing), from low to high."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return parse


def decimal(low: float, high: float) -> Callable[[str], float]:
    """A decimal number such as 4 or 3.5, low <= value <= high; no exponent, nan or infinity."""

    def parse(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not low <= float(text) <= high:
            raise ValueError(text)
        return float(text)

    return parse


def words(text: str) -> str:
    """Any text that is not blank and holds no control characters; spaces at both ends are dropped."""
    if CONTROL.search(text) or not text.strip():
        raise ValueError(text)
    return text.strip()


def read_rows(path: Path, columns: Sequence[Column]) -> Iterator[list[Any]]:
    """The rows under the header, in file order, one parsed value per column; row i (from 0) stands on line i + 2.

    Raises BadFile for: no such file; a header other than `columns`; bytes that are not UTF-8; a row with too few or too
    many values; a quote that is not closed on its line; a value that its column does not expect.
    """
    names = [column.name for column in columns]
    lines = _lines(path, names)
    first = next(lines, "")
    if not first:
        raise BadFile(path, f"is empty; the first line must be {','.join(names)}", line=1, column=names[0])
    header = _fields(path, 1, first, names)
    for column, found in zip(columns, header, strict=True):
        if found != column.name:
            raise BadFile(path, f"the header says {found!r}", line=1, column=column.name)
    for number, text in enumerate(lines, start=2):
        row = text.split(",")
        if len(row) != len(columns) or '"' in text:
            row = _fields(path, number, text, names)
        for position, column in enumerate(columns):
            try:
                row[position] = column.parse(row[position])
            except ValueError:
                problem = f"{_shown(row[position])} is not {column.expects}"
                raise BadFile(path, problem, line=number, column=column.name) from None
        yield row


def _lines(path: Path, names: Sequence[str]) -> Iterator[str]:
    """The decoded lines of a file, without their ends; `names` of the columns serve the errors only."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadFile(path, f"cannot be read ({error.strerror})") from None
    with file:
        for number, raw in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
            if len(raw) > LONGEST_LINE:
                raise BadFile(path, f"is longer than {LONGEST_LINE} bytes", line=number, column=names[0])
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                column = names[min(raw[: error.start].count(b","), len(names) - 1)]
                problem = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
                raise BadFile(path, problem, line=number, column=column) from None
            yield text.removesuffix("\n").removesuffix("\r")


def _fields(path: Path, line: int, text: str, names: Sequence[str]) -> list[str]:
    """Split one line by RFC 4180; exactly as many values as there are names."""
    fields: list[str] = []
    start = 0
    while True:
        match = FIELD.match(text, start)
        if match is None:
            _refuse_quote(path, line, text, start, names[len(fields)] if len(fields) < len(names) else len(fields) + 1)
        quoted, plain, separator = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        start = match.end()
        if not separator:
            break
    if len(fields) < len(names):
        problem = f"the line ends after {len(fields)} of {len(names)} values"
        raise BadFile(path, problem, line=line, column=names[len(fields)])
    if len(fields) > len(names):
        problem = f"{len(fields)} values where {len(names)} belong; a value with a comma needs quotes"
        raise BadFile(path, problem, line=line, column=str(len(names) + 1))
    return fields


def _refuse_quote(path: Path, line: int, text: str, start: int, column: str | int) -> NoReturn:
    if not text.startswith('"', start):
        problem = "a quote inside a value; quote the whole value and double the quotes in it"
    elif text[start:].replace('""', "").count('"') == 1:
        problem = "a quote is opened and not closed on this line"
    else:
        problem = "text after the closing quote; double the quotes inside a quoted value"
    raise BadFile(path, problem, line=line, column=str(column))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
