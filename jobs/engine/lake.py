"""Reads and writes contracted tables, and lets nothing into one that its contract forbids or its job did not declare.

Belongs here: reading at a pinned version, the three ways of writing (replace a window, merge on the key, insert what is
new) and quarantine. What a batch must keep: rules.py. The rules themselves: data_contracts/. Where a table lies:
tables.py. The record of a run: runs.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

import data_contracts
from data_contracts.contract import Contract
from jobs.engine.bounds import between, overlapping, within
from jobs.engine.commits import Commit, newest_of, tagged
from jobs.engine.evolution import alterations, create_table, evolve, gained
from jobs.engine.frames import newest
from jobs.engine.rules import BrokenBatch, SchemaMismatch, broken_rules, check_key, check_table_rules, conform, measure
from jobs.engine.spans import Unsaid, is_free, reach, start
from jobs.engine.tables import QUARANTINE, Tables, contract_of
from jobs.engine.window import of_micros
from jobs.engine.word import keep_word
from jobs.errors import ReelmillError
from jobs.host.locks import alone
from jobs.settings import Settings

if TYPE_CHECKING:
    from jobs.engine.job import Job
    from jobs.engine.window import Window


class TableMissing(ReelmillError):
    """A job reads a table that nothing has written yet."""

    def __init__(self, job: str, table: str, root: str) -> None:
        super().__init__(
            f"The job {job} reads {table}, which is not there yet in {root}. "
            f"Run the job that writes it first (`reelmill jobs` names it)."
        )
        self.table = table


class EmptyOutput(ReelmillError):
    """A window would be replaced by nothing: no row was made, or each of those `refused` broke a rule."""

    def __init__(self, job: str, table: str, refused: int) -> None:
        why = f"each of the {refused} that it made broke a rule" if refused else "it made none"
        super().__init__(f"The job {job} has no row for {table}: {why}. What was there is untouched.")
        self.refused = refused


class Lake:
    """The tables as one run sees them: each is read at the version it had when the run first touched it.

    The lake of a job holds it to its word: what it did not declare to read or write raises NotDeclared. What is set
    aside of a table belongs to whoever writes it. A lake without a job, a person's or a test's, may do everything.
    """

    def __init__(self, spark: SparkSession, settings: Settings, run_id: str = "adhoc", job: Job | None = None) -> None:
        self.spark = spark
        self.settings = settings
        self.tables = Tables.of(settings)
        self.run_id = run_id
        self.job = job.name if job else "adhoc"
        self._declared = job
        self.read_versions: dict[str, int] = {}
        # What a stream sees is of no one version; whatever came later is for the next run.
        self._found = {table: self.tables.version(table) for table in (job.reads if job else ())}
        self.commits: list[Commit] = []
        self.set_aside = 0  # rows set aside without a commit: the job refused them, or every row broke a rule
        # Up to when the tables that the job writes are what its inputs say, as the runner finds it out.
        self.right_until: datetime | None = None
        self.warnings: list[str] = []  # what a person should see to, while the job did its work for the rest

    def exists(self, table: str) -> bool:
        """Whether anything was ever committed to the table."""
        return self.version(table) > 0

    def version(self, table: str) -> int:
        """The newest version; 0 is the empty table that its contract created, -1 no table at all."""
        self._keep_word_of_either(table)
        return self.tables.version(table)

    def left(self) -> dict[str, int]:
        """The versions of the tables that the job reads: when it began, and of those that it writes itself, by now."""
        written = {table: self.tables.version(table) for table in (self._declared.writes if self._declared else ())}
        return {table: written.get(table, version) for table, version in self._found.items()}

    def pin(self, table: str) -> int:
        """The version at which this run reads the table: the newest, when first asked. Raises TableMissing."""
        keep_word(self._declared, "reads", table)
        return self._pin(table)

    def read(
        self, table: str, *, since: date | datetime | None = None, until: date | datetime | None = None
    ) -> DataFrame:
        """The table, optionally its rows with `since <= window column < until`.

        An empty table is read like any other: its job has run and found nothing. A column that the contract has gained
        since is NULL in the rows from before. Raises TableMissing without a table.
        """
        keep_word(self._declared, "reads", table)
        rows = self._rows(table)
        if since is None and until is None:
            return rows
        return rows.where(between(data_contracts.load(table), since, until))

    def of(self, table: str, window: Window, *, before: timedelta = timedelta()) -> DataFrame:
        """The rows of the window, and those of the span of time before each of its parts."""
        return self.read(table).where(within(data_contracts.load(table), window, before))

    def span(self, table: str) -> tuple[datetime, datetime] | None:
        """When the first and the last of the rows are that `read` or `own` gives; None without rows.

        A date is its midnight. By the log, or by the rows themselves where it is silent.
        """
        self._keep_word_of_either(table)
        contract = data_contracts.load(table)
        try:
            there = reach(self.tables.open(table, self._pin(table)), contract)
            return None if there is None else (start(there[0]), start(there[1]))
        except Unsaid:
            at = F.col(str(contract.window_column)).cast("timestamp")
            ((first, last),) = self._rows(table).agg(F.unix_micros(F.min(at)), F.unix_micros(F.max(at))).collect()
            return None if first is None else (of_micros(first), of_micros(last))

    def has(self, table: str, window: Window) -> bool:
        """Whether a table that the job writes has a row of the window; the log says it of most that have none."""
        rows, contract = self.own(table), data_contracts.load(table)
        if is_free(self.tables.open(table, self._pin(table)), contract, window):
            return False
        return not rows.where(within(contract, window)).isEmpty()

    def own(self, table: str) -> DataFrame:
        """The rows of a table that the job writes, as they were when the run began."""
        keep_word(self._declared, "writes", table)
        return self._rows(table)

    def before(self, table: str, window: Window) -> DataFrame | None:
        """The rows before the window of a table that the job writes, if they are what its inputs say now.

        None if nobody knows that, if there are none, or if a row is set aside, which those after it lack.
        """
        keep_word(self._declared, "writes", table)
        if self.right_until is None or window.start > self.right_until or not self.exists(table):
            return None
        aside = self.set_aside_of(table)
        if aside is not None and not aside.isEmpty():
            self.warnings.append(f"All of the past was counted again, since rows of {table} are set aside.")
            return None
        return self.own(table).where(between(data_contracts.load(table), None, window.start))

    def newest(self, table: str, *, by: Sequence[str], until: date | datetime | None = None) -> DataFrame:
        """The newest row for each value of `by`, by the window column, where that is before `until`."""
        contract = data_contracts.load(table)
        at = contract.window_column
        if at is None:
            raise SchemaMismatch(
                f"The contract of {table} has no windowColumn, so that none of its rows is the newest."
            )
        ties = [name for name in contract.key if name not in (*by, at)]
        return newest(self.read(table, until=until), by=by, at=at, ties=ties)

    def stream(self, table: str) -> DataFrame:
        """What is added to the table, as a stream. Rows that are written again, as when others are erased, are not."""
        keep_word(self._declared, "reads", table)
        return self.spark.readStream.format("delta").option("skipChangeCommits", "true").load(self.tables.uri(table))

    def set_aside_of(self, table: str) -> DataFrame | None:
        """What was set aside of a table that the job writes; None while nothing ever was."""
        keep_word(self._declared, "writes", table)
        name = f"{QUARANTINE}.{table}"
        return self._rows(name) if self.tables.version(name) > 0 else None

    def replace(self, table: str, frame: DataFrame, window: Window, *, empty_is_a_fact: bool = False) -> Commit:
        """Replace the rows of the window by these, in one commit.

        No row at all raises EmptyOutput, unless the job knows from an input with rows that there is none.
        """
        keep_word(self._declared, "writes", table)
        contract = data_contracts.load(table)
        where = within(contract, window)

        def write(good: DataFrame) -> None:
            writer = good.write.format("delta").option("userMetadata", self.run_id)
            if self.settings.checks and is_free(self.tables.open(table), contract, window):
                # Three quarters of the time of a small write go into looking for rows to replace.
                writer.mode("append").save(self.tables.uri(table))
            else:
                writer.mode("overwrite").option("replaceWhere", where).save(self.tables.uri(table))

        return self._commit(contract, frame, write, where, empty_is_a_fact=empty_is_a_fact)

    def merge(self, table: str, frame: DataFrame) -> Commit | None:
        """Update the rows whose key is there, insert the others; no row is a no-op that returns None."""
        return self._merge(table, frame, update=True)

    def insert_new(self, table: str, frame: DataFrame) -> Commit | None:
        """Insert the rows whose key is not there yet, so that what arrives twice counts once."""
        return self._merge(table, frame, update=False)

    def quarantine(self, table: str, frame: DataFrame, rule: str, *, apart_from: str | None = None) -> int:
        """Keep rows that a job itself had to refuse, whole, as JSON with the reason; returns how many.

        Rows that differ in the column `apart_from` alone are one, of which the one that came first stays.
        """
        keep_word(self._declared, "writes", table)
        count = self._quarantine(table, frame.withColumn("_broken", F.array(F.lit(rule))), apart_from)
        self.set_aside += count
        return count

    def release(self, table: str, rows: DataFrame) -> None:
        """Take these rows (rejected_id) out of quarantine again: what they were set aside for holds no longer."""
        from delta.tables import DeltaTable

        keep_word(self._declared, "writes", table)
        name = f"{QUARANTINE}.{table}"
        target = DeltaTable.forPath(self.spark, self.tables.uri(name)).alias("t")
        merge = target.merge(rows.alias("s"), "t.rejected_id = s.rejected_id").whenMatchedDelete()
        with tagged(self.spark, self.run_id):
            merge.execute()
        self.read_versions.pop(name, None)

    def create(self, table: str) -> None:
        """Create the empty table from its contract, or bring the one that is there up to it. Raises ContractChanged."""
        if self.tables.is_there(table) and not alterations(self.tables, table):
            return
        # Two first jobs on a new lake both want ops.job_runs; Delta refuses the second, IF NOT EXISTS or not.
        with alone(self.settings, f"create-{table}"):
            if self.tables.is_there(table):
                with tagged(self.spark, self.run_id):
                    evolve(self.spark, self.tables, table)
            else:
                create_table(self.tables, table, self.run_id)

    def _keep_word_of_either(self, table: str) -> None:
        if self._declared is None or table not in self._declared.writes:
            keep_word(self._declared, "reads", table)

    def _pin(self, table: str) -> int:
        if table not in self.read_versions:
            version = self.tables.version(table)
            if version < 0:
                raise TableMissing(self.job, table, self.tables.root)
            self.read_versions[table] = version
        return self.read_versions[table]

    def _rows(self, table: str) -> DataFrame:
        pinned = self.spark.read.format("delta").option("versionAsOf", self._pin(table))
        # Its writer may not have run since the contract changed.
        return gained(contract_of(table), pinned.load(self.tables.uri(table)))

    def _merge(self, table: str, frame: DataFrame, *, update: bool) -> Commit | None:
        from delta.tables import DeltaTable

        keep_word(self._declared, "writes", table)
        contract = data_contracts.load(table)
        same_key = " AND ".join(f"t.`{k}` = s.`{k}`" for k in contract.key)

        def write(good: DataFrame) -> None:
            there = self.tables.open(table)
            if there.version() == 0 and not there.file_uris():
                # Just created: there is no row to compare with.
                appended = good.write.format("delta").mode("append").option("userMetadata", self.run_id)
                appended.save(self.tables.uri(table))
                return
            target = DeltaTable.forPath(self.spark, self.tables.uri(table))
            same = " AND ".join([same_key, *overlapping(contract, good)])
            merge = target.alias("t").merge(good.alias("s"), same).whenNotMatchedInsertAll()
            with tagged(self.spark, self.run_id):
                (merge.whenMatchedUpdateAll() if update else merge).execute()

        try:
            return self._commit(contract, frame, write)
        except EmptyOutput:
            return None

    def _commit(
        self,
        contract: Contract,
        frame: DataFrame,
        write: Callable[[DataFrame], None],
        within: str = "true",
        *,
        empty_is_a_fact: bool = False,
    ) -> Commit:
        """Check, set aside, write. Raises EmptyOutput when no good row is left, or none came and that is no fact."""
        frame = conform(contract, frame)
        self.create(contract.table)
        before = self.tables.version(contract.table)
        if not self.settings.checks:
            write(frame)
            return self._record(contract.table, before, quarantined=0)
        marked = frame.withColumn("_broken", broken_rules(contract)).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            rows, broken, keys, astray = measure(contract, marked, within)
            good = marked.where(F.size("_broken") == 0).drop("_broken")
            quarantined = self._quarantine(contract.table, marked.where(F.size("_broken") > 0)) if broken else 0
            if rows == broken and not (empty_is_a_fact and rows == 0):
                self.set_aside += quarantined
                raise EmptyOutput(self.job, contract.table, rows)
            if astray:
                raise BrokenBatch(
                    f"A batch for {contract.table} has {astray} rows for which {within} does not hold, which is the "
                    "window that it replaces. Nothing was committed; readers keep the last good version."
                )
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
        commit = newest_of(self.run_id, table, now.history(after - before) if after > before else [], quarantined)
        if commit is None:
            self.set_aside += quarantined
            return Commit(table, before, 0, quarantined, 0)
        self.commits.append(commit)
        # The run reads its own writes.
        self.read_versions.pop(table, None)
        return commit

    def _quarantine(self, table: str, marked: DataFrame, apart_from: str | None = None) -> int:
        """Insert-only on a hash of the rule and the row, so that a re-run of the window keeps each row once."""
        from delta.tables import DeltaTable

        row = [name for name in marked.columns if name != "_broken"]
        same = F.to_json(F.struct(*[name for name in row if name != apart_from]))
        rows = marked.select(
            F.sha2(F.concat_ws("|", "_broken", same), 256).alias("rejected_id"),
            F.lit(self.job).alias("job"),
            F.lit(self.run_id).alias("run_id"),
            F.col("_broken").alias("rules"),
            F.to_json(F.struct(*row)).alias("row"),
        ).dropDuplicates(["rejected_id"])
        rows = rows.select(*(c.name for c in contract_of(f"{QUARANTINE}.{table}").columns)).persist()
        try:
            name = f"{QUARANTINE}.{table}"
            self.create(name)
            target = DeltaTable.forPath(self.spark, self.tables.uri(name)).alias("t")
            merge = target.merge(rows.alias("s"), "t.rejected_id = s.rejected_id").whenNotMatchedInsertAll()
            with tagged(self.spark, self.run_id):
                merge.execute()
            self.read_versions.pop(name, None)
            return rows.count()
        finally:
            rows.unpersist()
