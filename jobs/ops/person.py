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
# What is counted beside such a text, and might be the number that is somebody's id.
COUNTS = frozenset({"bytes", "copy", "line"})


# What a column of kinds calls a viewer, and what a video.
KINDS = {"user": "viewer", "video": "video", "videos": "video"}
# What a proposal goes by is a video where these sources made it; others go by a hashtag or a number of days.
ONLY_WHERE = {"because": ("source", frozenset({"content", "factors", "item_item", "linear", "walk"}))}


class Naming(NamedTuple):
    """A column of a table, and the ids by which it names the person; `only` in rows whose other column has a value."""

    column: str
    ids: frozenset[str]
    only: tuple[str, frozenset[str]] | None = None


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
                yield Naming(column.name, self.videos, ONLY_WHERE.get(column.name))
            elif column.identifies == "kind":
                for kind, what in KINDS.items():
                    ids = self.videos if what == "video" else themselves
                    yield Naming(column.name, ids, ("kind", frozenset({kind})))


def can_name_anybody(contract: Contract) -> bool:
    """Whether a row of the table, now or in an older version, can name anybody."""
    return any(column.identifies for column in contract.columns)


def rows_naming(person: Person, contract: Contract) -> pc.Expression | None:
    """The rows that name the person, for pyarrow; None where no row can."""
    found = []
    for column, ids, only in person.naming(contract):
        named = text_in(column).isin(sorted(ids))
        found.append(named if only is None else named & text_in(only[0]).isin(sorted(only[1])))
    return reduce(or_, found) if found else None


def predicate(person: Person, contract: Contract, salt: str) -> str | None:
    """The same for delta-rs, which writes what it deletes by into the log: by salted hashes, and not by the ids."""

    def hashed(text: str) -> str:
        return f"'{sha256((salt + text).encode()).hexdigest()}'"

    found = []
    for column, ids, only in person.naming(contract):
        named = f"encode(sha256(concat('{salt}', {column})), 'hex') IN ({', '.join(sorted(map(hashed, ids)))})"
        values = ", ".join(f"'{value}'" for value in sorted(only[1])) if only else ""
        found.append(f"({only[0]} IN ({values}) AND {named})" if only else named)
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
    # One after the other and not within each other: what was refused may be as deep as the parser goes, Python may not.
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += part
        elif not isinstance(part, dict):
            if any(str(part) in each.ids for each in naming):
                return True
        elif needed and needed <= part.keys():
            if _row_names(part, naming):
                return True
        else:
            texts = {name for name in TEXTS if isinstance(part.get(name), str)}
            if any(_text_names(part[name], naming, needed) for name in texts):
                return True
            beside = texts | COUNTS if texts else texts
            left += [inner for name, inner in part.items() if name not in beside]
    return False


def _row_names(row: Mapping[str, Any], naming: Iterable[Naming]) -> bool:
    return any(
        str(row.get(column)) in ids for column, ids, only in naming if only is None or row.get(only[0]) in only[1]
    )
