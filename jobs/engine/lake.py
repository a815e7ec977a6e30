"""Reads and writes contracted tables, and lets nothing into one that its contract forbids.

Belongs here: reading at a pinned version, the three ways of writing (replace a window, merge on the key, insert what is
new) and quarantine. What a batch must keep: checks.py. The rules themselves: data_contracts/. The record of a run:
runner.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

import data_contracts
from data_contracts.contract import Contract
from data_contracts.delta import create_table
from jobs.engine.evolution import alterations, evolve, gained
from jobs.engine.rules import SchemaMismatch, broken_rules, check_key, check_table_rules, conform, measure
from jobs.engine.tables import QUARANTINE, Tables, contract_of
from jobs.errors import ReelmillError
from jobs.host.locks import alone
from jobs.settings import Settings

if TYPE_CHECKING:
    from jobs.engine.window import Window


class TableMissing(ReelmillError):
    """A job reads a table that nothing has written yet."""


class EmptyOutput(ReelmillError):
    """A window would be replaced by nothing."""


@dataclass(frozen=True)
class Commit:
    """What one write did. `bytes` is the size of the files it added."""

    table: str
    version: int
    rows: int
    quarantined: int
    bytes: int


class Lake:
    """The tables as one run sees them: each is read at the version it had when the run first touched it."""

    def __init__(self, spark: SparkSession, settings: Settings, run_id: str = "adhoc", job: str = "adhoc") -> None:
        self.spark = spark
        self.settings = settings
        self.tables = Tables.of(settings)
        self.run_id = run_id
        self.job = job
        self.read_versions: dict[str, int] = {}
        self.commits: list[Commit] = []
        self.set_aside = 0  # rows set aside without a commit: the job refused them, or every row broke a rule
        self.warnings: list[str] = []  # what a person should see to, while the job did its work for the rest
        # Every commit of this run carries its id, which joins the Delta history to ops.job_runs.
        spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", run_id)

    def exists(self, table: str) -> bool:
        """Whether anything was ever committed to the table."""
        return self.version(table) > 0

    def version(self, table: str) -> int:
        """The newest version; 0 is the empty table that its contract created, -1 no table at all."""
        return self.tables.version(table)

    def read(
        self, table: str, *, since: date | datetime | None = None, until: date | datetime | None = None
    ) -> DataFrame:
        """The table, optionally its rows with `since <= window column < until`.

        An empty table is read like any other: its job has run and found nothing. A column that the contract has gained
        since is NULL in the rows from before. Raises TableMissing without a table.
        """
        if table not in self.read_versions:
            version = self.version(table)
            if version < 0:
                raise TableMissing(
                    f"The job {self.job} reads {table}, which is not there yet in {self.tables.root}. "
                    f"Run the job that writes it first (`reelmill jobs` names it)."
                )
            self.read_versions[table] = version
        pinned = self.spark.read.format("delta").option("versionAsOf", self.read_versions[table])
        # Its writer may not have run since the contract changed.
        frame = gained(contract_of(table), pinned.load(self.tables.uri(table)))
        if since is None and until is None:
            return frame
        return frame.where(_between(data_contracts.load(table), since, until))

    def replace(self, table: str, frame: DataFrame, window: Window, *, empty_is_a_fact: bool = False) -> Commit:
        """Replace the rows of the window by these, in one commit.

        No row at all raises EmptyOutput, unless the job knows from an input with rows that there is none.
        """
        contract = data_contracts.load(table)
        condition = _predicate(contract, window.start, window.end)

        def write(good: DataFrame) -> None:
            good.write.format("delta").mode("overwrite").option("replaceWhere", condition).save(self.tables.uri(table))

        commit = self._commit(contract, frame, write, empty_is_a_fact=empty_is_a_fact)
        if commit is None:
            raise EmptyOutput(f"The job {self.job} made no row of {table} for {window}; what was there is untouched.")
        return commit

    def merge(self, table: str, frame: DataFrame) -> Commit | None:
        """Update the rows whose key is there, insert the others; no row is a no-op that returns None."""
        return self._merge(table, frame, update=True)

    def insert_new(self, table: str, frame: DataFrame) -> Commit | None:
        """Insert the rows whose key is not there yet, so that what arrives twice counts once."""
        return self._merge(table, frame, update=False)

    def quarantine(self, table: str, frame: DataFrame, rule: str) -> int:
        """Keep rows that a job itself had to refuse, whole, as JSON with the reason; returns how many."""
        count = self._quarantine(table, frame.withColumn("_broken", F.array(F.lit(rule))))
        self.set_aside += count
        return count

    def release(self, table: str, rows: DataFrame) -> None:
        """Take these rows (rejected_id) out of quarantine again: what they were set aside for holds no longer."""
        from delta.tables import DeltaTable

        name = f"{QUARANTINE}.{table}"
        target = DeltaTable.forPath(self.spark, self.tables.uri(name)).alias("t")
        target.merge(rows.alias("s"), "t.rejected_id = s.rejected_id").whenMatchedDelete().execute()
        self.read_versions.pop(name, None)

    def create(self, table: str) -> None:
        """Create the empty table from its contract, or bring the one that is there up to it. Raises ContractChanged."""
        if self.tables.is_there(table) and not alterations(self.tables, table):
            return
        # Two first jobs on a new lake both want ops.job_runs; Delta refuses the second, IF NOT EXISTS or not.
        with alone(self.settings, f"create-{table}"):
            if self.tables.is_there(table):
                evolve(self.spark, self.tables, table)
            else:
                self.spark.sql(create_table(contract_of(table), self.tables.uri(table)))

    def _merge(self, table: str, frame: DataFrame, *, update: bool) -> Commit | None:
        from delta.tables import DeltaTable

        contract = data_contracts.load(table)
        same_key = " AND ".join(f"t.`{k}` = s.`{k}`" for k in contract.key)

        def write(good: DataFrame) -> None:
            target = DeltaTable.forPath(self.spark, self.tables.uri(table))
            same = " AND ".join([same_key, *_span(contract, good)])
            merge = target.alias("t").merge(good.alias("s"), same).whenNotMatchedInsertAll()
            (merge.whenMatchedUpdateAll() if update else merge).execute()

        return self._commit(contract, frame, write)

    def _commit(
        self,
        contract: Contract,
        frame: DataFrame,
        write: Callable[[DataFrame], None],
        *,
        empty_is_a_fact: bool = False,
    ) -> Commit | None:
        """Check, set aside, write; None when no good row is left to write, or none came that was no fact."""
        frame = conform(contract, frame)
        self.create(contract.table)
        before = self.version(contract.table)
        if not self.settings.checks:
            write(frame)
            return self._record(contract.table, before, quarantined=0)
        marked = frame.withColumn("_broken", broken_rules(contract)).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            rows, broken, keys = measure(contract, marked)
            good = marked.where(F.size("_broken") == 0).drop("_broken")
            quarantined = self._quarantine(contract.table, marked.where(F.size("_broken") > 0)) if broken else 0
            if rows == broken and not (empty_is_a_fact and rows == 0):
                self.set_aside += quarantined
                return None
            if keys != rows - broken:
                check_key(contract, good)
            if rows:
                check_table_rules(contract, good)
            write(good)
            return self._record(contract.table, before, quarantined)
        finally:
            marked.unpersist()

    def _record(self, table: str, before: int, quarantined: int) -> Commit:
        """What this write did. One that found nothing to change made no version, and has no rows to its name."""
        now = self.tables.open(table)
        after = now.version()
        history = now.history(after - before) if after > before else []
        ours = [entry for entry in history if entry.get("userMetadata") == self.run_id]
        if not ours:
            self.set_aside += quarantined
            return Commit(table, before, 0, quarantined, 0)
        newest = ours[0]
        metrics = newest["operationMetrics"]
        # numOutputRows also counts the rows of other windows and keys that were merely copied to a new file; a window
        # that was emptied has none.
        rows = (
            int(metrics["numTargetRowsInserted"]) + int(metrics["numTargetRowsUpdated"])
            if "numTargetRowsInserted" in metrics
            else int(metrics.get("numOutputRows", 0)) - int(metrics.get("numCopiedRows", 0))
        )
        size = int(metrics.get("numOutputBytes", metrics.get("numTargetBytesAdded", 0)))
        commit = Commit(table, newest["version"], rows, quarantined, size)
        self.commits.append(commit)
        # The run reads its own writes.
        self.read_versions.pop(table, None)
        return commit

    def _quarantine(self, table: str, marked: DataFrame) -> int:
        """Insert-only on a hash of the rule and the row, so that a re-run of the window keeps each row once."""
        from delta.tables import DeltaTable

        rows = marked.select(
            F.lit(self.job).alias("job"),
            F.lit(self.run_id).alias("run_id"),
            F.col("_broken").alias("rules"),
            F.to_json(F.struct(*[c for c in marked.columns if c != "_broken"])).alias("row"),
        )
        rows = rows.withColumn("rejected_id", F.sha2(F.concat_ws("|", "rules", "row"), 256)).dropDuplicates(
            ["rejected_id"]
        )
        rows = rows.select(*(c.name for c in contract_of(f"{QUARANTINE}.{table}").columns)).persist()
        try:
            name = f"{QUARANTINE}.{table}"
            self.create(name)
            target = DeltaTable.forPath(self.spark, self.tables.uri(name)).alias("t")
            target.merge(rows.alias("s"), "t.rejected_id = s.rejected_id").whenNotMatchedInsertAll().execute()
            self.read_versions.pop(name, None)
            return rows.count()
        finally:
            rows.unpersist()


def _predicate(contract: Contract, since: date | datetime | None, until: date | datetime | None) -> str:
    """`since <= window column < until` in Spark SQL, with literals of the column's own type."""
    if contract.window_column is None:
        raise SchemaMismatch(f"The contract of {contract.table} has no windowColumn, so it cannot be cut by time.")
    kind = contract.column(contract.window_column).type
    bounds = ((">=", since), ("<", until))
    return " AND ".join(f"{contract.window_column} {sign} {_literal(b, kind)}" for sign, b in bounds if b is not None)


def _between(contract: Contract, since: date | datetime | None, until: date | datetime | None) -> Column:
    return F.expr(_predicate(contract, since, until))


def _span(contract: Contract, batch: DataFrame) -> list[str]:
    """Conditions that no key of the batch breaks, so that a merge opens only the files that overlap its span of time.

    None for a table whose key is not cut by time: there the row of a key may be anywhere.
    """
    column = contract.window_column
    if column is None or column not in contract.key:
        return []
    # As text, which Spark writes in UTC: Python would get them in the machine's zone, where one hour happens twice.
    span = batch.agg(F.min(column).cast("string").alias("first"), F.max(column).cast("string").alias("last")).first()
    if span is None or span["first"] is None:
        return []
    kind = contract.column(column).type
    return [f"t.`{column}` >= CAST('{span['first']}' AS {kind})", f"t.`{column}` <= CAST('{span['last']}' AS {kind})"]


def _literal(bound: date | datetime, kind: str) -> str:
    moment = bound if isinstance(bound, datetime) else datetime.combine(bound, time(), UTC)
    moment = moment.astimezone(UTC)
    if kind == "timestamp":
        return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f}'"
    if moment.time() != time():
        raise ValueError(f"{moment} falls inside a day, but the table is cut by date")
    return f"DATE '{moment:%Y-%m-%d}'"
