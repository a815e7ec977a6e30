"""From a contract to Delta: its schema as DDL, and what makes a table say the same.

Belongs here: text only; nothing here needs a Spark session. Running it: jobs/engine/evolution.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from data_contracts.contract import Column, Contract

# Deletion vectors are off because delta-rs cannot write tables that have them, and people may use any Delta reader.
PROPERTIES = {"delta.enableDeletionVectors": "false", "delta.checkpoint.writeStatsAsStruct": "true"}

CONSTRAINT = "delta.constraints."
# The oldest version of the protocol whose writers heed CHECK constraints.
CHECKING = "3"


def ddl(contract: Contract) -> str:
    """The columns as Spark DDL, without constraints: what `createDataFrame`, `from_json` and readers take as schema."""
    return ", ".join(f"`{c.name}` {c.type}" for c in contract.columns)


def declared(contract: Contract) -> str:
    """The columns of its table as Spark DDL, with NOT NULL and comments."""
    return ", ".join(map(_declared, contract.columns))


def properties(contract: Contract) -> dict[str, str]:
    """The properties of a new table, its CHECK constraints among them: ALTER TABLE would cost a commit for each."""
    rules = {f"{CONSTRAINT}{name}": predicate for name, predicate in constraints(contract).items()}
    return {**PROPERTIES, **said(contract), **rules, **({"delta.minWriterVersion": CHECKING} if rules else {})}


def alter_table(
    contract: Contract, uri: str, columns: Iterable[str], nullable: Iterable[str], rules: Mapping[str, str]
) -> list[str]:
    """The statements that turn a table into one of this contract: it has `columns` and the constraints `rules`, and its
    columns `nullable` are no longer NOT NULL. The last one notes the contract's version.
    """
    table, there = f"ALTER TABLE delta.`{uri}`", set(columns)
    added = ", ".join(_declared(c) for c in contract.columns if c.name not in there)
    wanted = constraints(contract)
    return [
        *([f"{table} ADD COLUMNS ({added})"] if added else []),
        *(f"{table} ALTER COLUMN `{name}` DROP NOT NULL" for name in nullable),
        *(f"{table} DROP CONSTRAINT `{name}`" for name, predicate in rules.items() if wanted.get(name) != predicate),
        *(
            f"{table} ADD CONSTRAINT `{name}` CHECK ({predicate})"
            for name, predicate in wanted.items()
            if rules.get(name) != predicate
        ),
        f"{table} SET TBLPROPERTIES ({_listed(said(contract))})",
    ]


def said(contract: Contract) -> dict[str, str]:
    """What the table's properties say of its contract."""
    return {
        "reelmill.contract": f"{contract.table}@{contract.version}",
        "reelmill.key": ",".join(contract.key),
        "reelmill.retention": contract.retention,
    }


def constraints(contract: Contract) -> dict[str, str]:
    """The predicates of the table's CHECK constraints, by name.

    Delta's CHECK fails on NULL, unlike SQL's; a rule about a value is no rule that there is one.
    """
    return {rule.name: f"coalesce({rule.predicate}, true)" for rule in contract.row_rules}


def _declared(column: Column) -> str:
    comment = f"{column.description} [{column.unit}]" if column.unit else column.description
    return f"`{column.name}` {column.type}{' NOT NULL' if column.required else ''} COMMENT {_quoted(comment)}"


def _listed(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{_quoted(k)} = {_quoted(v)}" for k, v in properties.items())


def _quoted(text: str) -> str:
    escaped = text.strip().replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
