"""Makes the table that a contract says, and brings one that is there up to a newer version, or says why it cannot be.

Belongs here: what is compatible. What a contract says, and the statements: data_contracts/. When a table is looked at:
lake.py, before the first write of a run.

Compatible is what every row that is there keeps: a new column that may be NULL, a column that may now be NULL, other
row rules, more columns in the key. Each statement is a commit, and the last one notes the version; so a run that is
killed in between does the rest the next time.
"""

from __future__ import annotations

import json

from deltalake import CommitProperties, DeltaTable, Schema
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from data_contracts.contract import Contract, number
from data_contracts.delta import CONSTRAINT, alter_table, constraints, declared, properties
from jobs.engine.tables import Tables, contract_of
from jobs.errors import LastingError


class ContractChanged(LastingError):
    """A table is not what its contract says, and cannot be made so without losing what it holds."""


def create_table(tables: Tables, table: str, run_id: str) -> None:
    """Make the empty table, by delta-rs, which takes a fiftieth of the time that Spark's CREATE TABLE does.

    It needs the session all the same, whose words the types of a contract are.
    """
    contract = contract_of(table)
    DeltaTable.create(
        tables.uri(table),
        Schema.from_json(StructType.fromDDL(declared(contract)).json()),
        description=contract.description.strip(),
        configuration=properties(contract),
        storage_options=dict(tables.options),
        commit_properties=CommitProperties(custom_metadata={"userMetadata": run_id}),
        # Half of them are ours.
        raise_if_key_not_exists=False,
    )
    tables.sum_up(table)


def evolve(spark: SparkSession, tables: Tables, table: str) -> None:
    """Bring the table up to its contract. Raises ContractChanged, also when its rows break a new rule."""
    statements = alterations(tables, table)
    if not statements:
        return
    contract, uri = contract_of(table), tables.uri(table)
    # Before the first statement: a table that has taken up half a version would be refused by the old one as well.
    rows = gained(contract, spark.read.format("delta").load(uri))
    counts = [F.count_if(~F.expr(rule)).alias(name) for name, rule in constraints(contract).items()]
    broken = rows.agg(F.count(F.lit(1)), *counts).first()
    wrong = [f"{count} break {name}" for name, count in list(broken.asDict().items())[1:] if count] if broken else []
    if wrong:
        raise ContractChanged(
            f"The table in {uri} cannot follow version {contract.version} of the contract of {contract.table}: of its "
            f"rows, {', '.join(wrong)}. Nothing was written. Correct or delete these rows, or change the rule."
        )
    for statement in statements:
        spark.sql(statement)


def gained(contract: Contract, rows: DataFrame) -> DataFrame:
    """Rows of a table that an earlier version of the contract made, with the columns that it has gained since: NULL."""
    there = set(rows.columns)
    new = [c for c in contract.columns if c.name not in there and not c.required]
    return rows.withColumns({c.name: F.lit(None).cast(c.type) for c in new}) if new else rows


def alterations(tables: Tables, table: str) -> list[str]:
    """The SQL statements that bring the table up to its contract; none when it is. Raises ContractChanged."""
    contract, uri, opened = contract_of(table), tables.uri(table), tables.open(table)
    stored = opened.metadata().configuration
    made_by = stored.get("reelmill.contract", "").rpartition("@")[2] or "0"
    there = {f.name: f for f in StructType.fromJson(json.loads(opened.schema().to_json()))}
    wanted = {c.name: c for c in contract.columns}
    key = [name for name in stored.get("reelmill.key", "").split(",") if name]
    new = [c for c in contract.columns if c.name not in there]
    both = [(there[name], c) for name, c in wanted.items() if name in there]
    loose = [c.name for field, c in both if not field.nullable and not c.required]
    wrong = [
        *(f"its column {name} is not in the contract" for name in there if name not in wanted),
        *(
            f"its column {c.name} is {field.dataType.simpleString()}, not {c.type}"
            for field, c in both
            if field.dataType.simpleString() != c.type
        ),
        *(f"its column {c.name} may be NULL" for field, c in both if field.nullable and c.required),
        *(f"it has no column {c.name}, which is required" for c in new if c.required),
    ]
    if not set(key) <= set(contract.key):
        wrong.append(f"its key is {', '.join(key)}, not {', '.join(contract.key)}")
    if number(made_by) > number(contract.version):
        wrong.append(f"it was written by a newer Reelmill, by version {made_by} of the contract: update this one")
    if made_by == contract.version and (new or loose):
        wrong.append(f"{', '.join([*(c.name for c in new), *loose])} changed without a new version of the contract")
    if wrong:
        raise ContractChanged(
            f"The table in {uri} does not fit version {contract.version} of the contract of {contract.table}: "
            f"{'; '.join(wrong)}. Nothing was written. To make it anew, move the folder away and run the jobs again."
        )
    if made_by == contract.version:
        return []
    rules = {name.removeprefix(CONSTRAINT): rule for name, rule in stored.items() if name.startswith(CONSTRAINT)}
    return alter_table(contract, uri, there, loose, rules)
