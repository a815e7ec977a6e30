"""The places in which rows and lines about people are kept, each asked how many name a person, and rid of them.

Belongs here: tables, what was set aside of them, files of lines and files of rows, alike but for their formats. Which
there are, and when: forget.py. What names a person: person.py. Redis and the media store: forget.py asks their rooms.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties

import data_contracts
from data_contracts import Contract
from jobs.engine.tables import QUARANTINE, Tables, contract_of
from jobs.host.files import appearing, blank_lines
from jobs.host.locks import alone
from jobs.ops.person import Person, can_name_anybody, line_names, predicate, rows_naming
from jobs.settings import Settings

# What a commit of ours says in the place where those of runs have their run's id.
FORGOTTEN = "forget"
MARKED = CommitProperties(custom_metadata={"userMetadata": FORGOTTEN})
# Of what was set aside, so many rows are named in one commit.
CHUNK = 1_000


class Place(Protocol):
    """Something that holds rows or lines, by the name that people are told."""

    @property
    def name(self) -> str: ...

    def find(self, person: Person) -> int:
        """How many name the person."""

    def remove(self, person: Person) -> int:
        """Remove those that name the person; how many there were. Killed in between, the same again does the rest."""


@dataclass(frozen=True)
class TableRows:
    """The rows of a table, as its newest version has them."""

    name: str
    settings: Settings

    @property
    def can_name_anybody(self) -> bool:
        return can_name_anybody(contract_of(self.name))

    def find(self, person: Person) -> int:
        tables, wanted = Tables.of(self.settings), rows_naming(person, contract_of(self.name))
        if wanted is None or not tables.is_there(self.name):
            return 0
        return int(tables.open(self.name).to_pyarrow_dataset().count_rows(filter=wanted))

    def remove(self, person: Person) -> int:
        tables = Tables.of(self.settings)
        wanted = predicate(person, contract_of(self.name), secrets.token_hex(8))
        if wanted is None or not tables.is_there(self.name):
            return 0
        return int(tables.open(self.name).delete(wanted, commit_properties=MARKED)["num_deleted_rows"])


@dataclass(frozen=True)
class RowsSetAside:
    """What was set aside of a table: rows of JSON, of which each names the person as a line of it would."""

    table: str
    settings: Settings

    @property
    def name(self) -> str:
        return f"{QUARANTINE}.{self.table}"

    @property
    def can_name_anybody(self) -> bool:
        return can_name_anybody(data_contracts.load(self.table))

    def find(self, person: Person) -> int:
        return len(self._theirs(person))

    def remove(self, person: Person) -> int:
        theirs = self._theirs(person)
        for start in range(0, len(theirs), CHUNK):
            ids = ", ".join(f"'{rejected_id}'" for rejected_id in theirs[start : start + CHUNK])
            opened = Tables.of(self.settings).open(self.name)
            opened.delete(f"rejected_id IN ({ids})", commit_properties=MARKED)
        return len(theirs)

    def _theirs(self, person: Person) -> list[str]:
        tables, contract = Tables.of(self.settings), data_contracts.load(self.table)
        if not person.naming(contract) or not tables.is_there(self.name):
            return []
        batches = tables.open(self.name).to_pyarrow_dataset().to_batches(columns=["rejected_id", "row"])
        rows = (row for batch in batches for row in batch.to_pylist())
        return [row["rejected_id"] for row in rows if line_names(person, contract, row["row"])]


@dataclass(frozen=True)
class LinesOfFiles:
    """Files of lines that others may be writing, and may rename when they are whole; `contract` says what a line is."""

    name: str
    files: Callable[[], Iterable[Path]]
    contract: Contract

    def find(self, person: Person) -> int:
        found = 0
        for path in self.files():
            with suppress(FileNotFoundError), path.open("rb") as lines:
                found += sum(line_names(person, self.contract, line) for line in lines if line.strip())
        return found

    def remove(self, person: Person) -> int:
        removed, left = 0, list(self.files())
        while left:
            done = set()
            for path in left:
                with suppress(FileNotFoundError):
                    removed += blank_lines(path, lambda line: line_names(person, self.contract, line))
                    done.add(path)
            # What had another name by then.
            left = [] if len(done) == len(left) else [path for path in self.files() if path not in done]
        return removed


@dataclass(frozen=True)
class RowsHeldOut:
    """The Parquet files of what imports keep back to judge by."""

    folder: Path
    settings: Settings
    name: str = "held out"

    def find(self, person: Person) -> int:
        return sum(ds.dataset(path).count_rows(filter=_held_out_of(person)) for path in self._files())

    def remove(self, person: Person) -> int:
        # Two who each write a file anew without one person would bring back the other's.
        with alone(self.settings, self.folder.name):
            return sum(map(partial(_without, person), self._files()))

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[!.]*.parquet"))


def _without(person: Person, path: Path) -> int:
    rows = ds.dataset(path)
    theirs = int(rows.count_rows(filter=_held_out_of(person)))
    if theirs:
        with appearing(path) as unfinished, pq.ParquetWriter(unfinished, rows.schema) as writer:
            for batch in rows.to_batches(filter=~_held_out_of(person)):
                writer.write_batch(batch)
    return theirs


def _held_out_of(person: Person) -> pc.Expression:
    return (pc.field("user_id") == person.user_id) | pc.field("video_id").isin(pa.array(person.videos, pa.string()))
