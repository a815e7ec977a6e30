"""Whom to forget, and what names them: rows of a contracted table, and lines of JSON before they are rows or are none.

Belongs here: that rule, derived from what contracts say their columns identify. Removing what it finds: places.py.

A row names a person by a column that identifies a viewer or a creator, and one of their videos by a column that
identifies a video. So a creator's videos go with all that others did with them, as if they had never been.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from operator import or_
from typing import Any, NamedTuple

import orjson
import pyarrow.compute as pc

from data_contracts import Contract
from data_contracts.contract import PEOPLE
from jobs.engine.tables import text_in

# In what was set aside or refused, the text that was none: it is JSON once more, or nothing that can be parsed.
TEXTS = ("line", "raw", "text")


# What a column of kinds calls a viewer, and what a video.
KINDS = {"user": "viewer", "video": "video", "videos": "video"}


class Naming(NamedTuple):
    """A column of a table, and the ids by which it names the person, in rows of one kind where the column says so."""

    column: str
    ids: frozenset[str]
    kind: str | None = None


@dataclass(frozen=True)
class Person:
    """A person by the id that they have as a viewer and as a creator, and their videos by theirs."""

    user_id: str
    videos: frozenset[str] = frozenset()

    def naming(self, contract: Contract) -> list[Naming]:
        """How rows of a table name the person; empty where none can."""
        return [naming for naming in self._naming(contract) if naming.ids]

    def _naming(self, contract: Contract) -> Iterator[Naming]:
        themselves = frozenset({self.user_id})
        for column in contract.columns:
            if column.identifies in PEOPLE:
                yield Naming(column.name, themselves)
            elif column.identifies == "video":
                yield Naming(column.name, self.videos)
            elif column.identifies == "kind":
                for kind, what in KINDS.items():
                    yield Naming(column.name, self.videos if what == "video" else themselves, kind)


def rows_naming(person: Person, contract: Contract) -> pc.Expression | None:
    """The rows that name the person, for pyarrow; None where no row can."""
    found = []
    for column, ids, kind in person.naming(contract):
        named = text_in(column).isin(sorted(ids))
        found.append(named if kind is None else named & (text_in("kind") == kind))
    return reduce(or_, found) if found else None


def predicate(person: Person, contract: Contract, salt: str) -> str | None:
    """The same for delta-rs, which writes what it deletes by into the log: by salted hashes, and not by the ids."""

    def hashed(text: str) -> str:
        return f"'{sha256((salt + text).encode()).hexdigest()}'"

    found = []
    for column, ids, kind in person.naming(contract):
        named = f"encode(sha256(concat('{salt}', {column})), 'hex') IN ({', '.join(sorted(map(hashed, ids)))})"
        found.append(named if kind is None else f"(kind = '{kind}' AND {named})")
    return " OR ".join(found) or None


def line_names(person: Person, contract: Contract, line: bytes | str) -> bool:
    """Whether a line names the person: JSON of a row of the table, or what somebody took for one.

    A row says by its columns whom it names. What has not the columns that it needs names them by any of its values, and
    what cannot be parsed by a word in it: too much of what is of no use may go, and too little may not.
    """
    needed = {column.name for column in contract.columns if column.identifies and column.required}
    return _text_names(line, person.naming(contract), needed)


def _text_names(text: bytes | str, naming: Iterable[Naming], needed: set[str]) -> bool:
    try:
        return _value_names(orjson.loads(text), naming, needed)
    except orjson.JSONDecodeError:
        words = text.decode(errors="replace") if isinstance(text, bytes) else text
        ids = "|".join(re.escape(one) for each in naming for one in each.ids)
        return re.search(rf"(?<![\w.-])({ids})(?![\w.-])", words) is not None


def _value_names(value: Any, naming: Iterable[Naming], needed: set[str]) -> bool:
    if isinstance(value, dict):
        if needed and needed <= value.keys():
            return _row_names(value, naming)
        return any(
            _text_names(part, naming, needed)
            if name in TEXTS and isinstance(part, str)
            else _value_names(part, naming, needed)
            for name, part in value.items()
        )
    if isinstance(value, list):
        return any(_value_names(part, naming, needed) for part in value)
    return any(str(value) in each.ids for each in naming)


def _row_names(row: Mapping[str, Any], naming: Iterable[Naming]) -> bool:
    return any(str(row.get(column)) in ids for column, ids, kind in naming if kind is None or row.get("kind") == kind)
