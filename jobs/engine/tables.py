"""Where each table of the lake lies, and what is there, by its name and without Spark.

Belongs here: the only place that makes a table's location of its name. What a job may read and write, and how: lake.py.
What people ask: query.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deltalake import DeltaTable

import data_contracts
from data_contracts import Contract
from jobs.host import bucket
from jobs.settings import Settings, uri_of

if TYPE_CHECKING:
    import pyarrow.compute as pc
    from obstore.store import LocalStore, S3Store

QUARANTINE = "quarantine"
# The record of runs, which more than runs.py asks.
JOB_RUNS = "ops.job_runs"
# In a Delta log, the files of one version: the commit, a checkpoint, and the sums that Spark keeps beside both.
_OF_A_VERSION = re.compile(r"\.?(\d{20})\.")


@dataclass(frozen=True)
class Tables:
    """The tables below `root`, a URI without a slash at its end; `options` are what delta-rs needs to reach it."""

    root: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Tables:
        """The tables of a home."""
        return cls(uri_of(settings.lake), bucket.options() if settings.lake_bucket else {})

    def uri(self, table: str) -> str:
        """Where the table lies, or will; quarantine.<table> keeps the dot of the table it is for."""
        layer, _, name = table.partition(".")
        return f"{self.root}/{layer}/{name}"

    def is_there(self, table: str) -> bool:
        """Whether the table was created. Its folder comes first, and a kill in between leaves it with an empty log."""
        return DeltaTable.is_deltatable(self.uri(table), dict(self.options))

    def open(self, table: str, version: int | None = None) -> DeltaTable:
        """The table, by default as it is now. Raises TableNotFoundError, or DeltaError for a version that is gone."""
        return DeltaTable(self.uri(table), version=version, storage_options=dict(self.options))

    def version(self, table: str) -> int:
        """The newest version; 0 is the empty table that its contract created, -1 no table at all."""
        return self.open(table).version() if self.is_there(table) else -1

    def names(self) -> Iterator[str]:
        """The tables that are there, quarantine included, in order."""
        for table in contracted():
            if self.is_there(table):
                yield table

    def gone(self, table: str, files: Iterable[str]) -> bool:
        """Whether any of these files of the table, named as in its log, is not there any more."""
        # With pyarrow, which takes longer to import than a query does to answer.
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import FileType

        found = DeltaStorageHandler(self.uri(table), dict(self.options)).get_file_info(list(files))
        return any(file.type is not FileType.File for file in found)

    def cut_log(self, table: str, before: int) -> None:
        """Remove what the log says of versions before that one, the oldest first; its checkpoint says what there is."""
        files = self._files(table)
        paths = sorted(file["path"] for page in files.list("_delta_log") for file in page)
        versions = {path: _OF_A_VERSION.match(path.rpartition("/")[2]) for path in paths}
        if old := [path for path, version in versions.items() if version and int(version[1]) < before]:
            files.delete(old)

    def sum_up(self, table: str) -> None:
        """Write the checksum of version 0, of a table without rows, as the protocol of Delta describes it.

        delta-rs leaves it out; without it Spark would read the whole log by jobs of its own to make that of version 1.
        """
        files, first = self._files(table), f"_delta_log/{0:020}"
        lines = bytes(files.get(f"{first}.json").bytes()).splitlines()
        said = {name: action for line in lines for name, action in json.loads(line).items()}
        sums = {"tableSizeBytes": 0, "numFiles": 0, "numMetadata": 1, "numProtocol": 1}
        none: dict[str, list[str]] = {"allFiles": [], "setTransactions": [], "domainMetadata": []}
        is_as = {"metadata": said["metaData"], "protocol": said["protocol"]}
        files.put(f"{first}.crc", json.dumps({**sums, **none, **is_as}).encode())

    def _files(self, table: str) -> LocalStore | S3Store:
        """What lies below the table's folder."""
        from obstore.store import LocalStore

        uri = self.uri(table)
        return LocalStore(uri.removeprefix("file://")) if uri.startswith("file://") else bucket.store(uri)


def text_in(column: str) -> pc.Expression:
    """A column of text in a filter of pyarrow's; without it, a table of which delta-rs has deleted rows is not read.

    What delta-rs then writes says that its text is string_view, which pyarrow cannot compare with other text where it
    skips by the sums of a file (apache/arrow#49368, delta-io/delta-rs#4579). It goes when one of them is mended.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.field(column).cast(pa.string())


def contracted() -> list[str]:
    """The names that a table of the lake may have, in order: those of the contracts, and quarantine.<table> of each."""
    # The contract of the layer is that of all its tables, and the name of none.
    names = [table for table in data_contracts.tables() if not table.startswith(f"{QUARANTINE}.")]
    return sorted([*names, *(f"{QUARANTINE}.{table}" for table in names)])


def contract_of(table: str) -> Contract:
    """The contract of a table; what was set aside keeps the same one, whatever table it is for."""
    return data_contracts.load(contracted_as(table))


def contracted_as(table: str) -> str:
    """The table whose contract it has."""
    return f"{QUARANTINE}.rows" if table.startswith(f"{QUARANTINE}.") else table
