"""From a contract to Spark: its schema as DDL, and the CREATE TABLE that makes the Delta table say the same.

Belongs here: text only; nothing here needs a Spark session. Running it: jobs/lake.py.
"""

from __future__ import annotations

from pathlib import Path

from data_contracts.contract import Contract

# Deletion vectors are off because delta-rs cannot write tables that have them, and people may use any Delta reader.
PROPERTIES = {"delta.enableDeletionVectors": "false", "delta.checkpoint.writeStatsAsStruct": "true"}


def ddl(contract: Contract) -> str:
    """The columns as Spark DDL, without constraints: what `createDataFrame`, `from_json` and readers take as schema."""
    return ", ".join(f"`{c.name}` {c.type}" for c in contract.columns)


def create_table(contract: Contract, path: Path) -> str:
    """The statement that creates the Delta table with comments, NOT NULL, CHECK constraints and properties."""
    columns = ",\n  ".join(
        f"`{c.name}` {c.type}{' NOT NULL' if c.required else ''} COMMENT {_quoted(_comment(c.description, c.unit))}"
        for c in contract.columns
    )
    properties = {
        **PROPERTIES,
        "reelmill.contract": f"{contract.table}@{contract.version}",
        "reelmill.key": ",".join(contract.key),
        "reelmill.retention": contract.retention,
        # A constraint set at creation costs no commit of its own; ALTER TABLE ADD CONSTRAINT costs one each.
        # Delta's CHECK fails on NULL, unlike SQL's; a rule about a value is no rule that there is one.
        **{f"delta.constraints.{rule.name}": f"coalesce({rule.predicate}, true)" for rule in contract.row_rules},
    }
    listed = ", ".join(f"{_quoted(k)} = {_quoted(v)}" for k, v in properties.items())
    return (
        f"CREATE TABLE IF NOT EXISTS delta.`{path}` (\n  {columns}\n) USING DELTA "
        f"COMMENT {_quoted(contract.description)} TBLPROPERTIES ({listed})"
    )


def _comment(description: str, unit: str | None) -> str:
    return f"{description} [{unit}]" if unit else description


def _quoted(text: str) -> str:
    escaped = text.strip().replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
