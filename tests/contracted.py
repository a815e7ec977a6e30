"""Tables with a few rows, made of their contracts without Spark.

Belongs here: that, for tests of what reads tables. What writes them in earnest, and checks them: jobs/engine/lake.py.
"""

from __future__ import annotations

import json
from typing import Any

import deltalake
import duckdb

from jobs.engine.sql import in_duckdb
from jobs.engine.tables import Tables, contract_of
from jobs.settings import Settings


def put(settings: Settings, table: str, *rows: dict[str, Any]) -> None:
    """Append rows, each of some columns of the contract; the others are NULL. Without rows the table is made empty."""
    columns = {column.name: in_duckdb(column.type) for column in contract_of(table).columns}
    assert all(row.keys() <= columns.keys() for row in rows), f"{table} has {list(columns)}"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        made = connection.sql(
            "SELECT unnest(from_json($rows, $shape), max_depth := 2)",
            params={"rows": json.dumps(rows, default=str), "shape": json.dumps([columns])},
        )
        uri = Tables.of(settings).uri(table)
        deltalake.write_deltalake(uri, made.to_arrow_table(), mode="append", schema_mode="merge")
