"""What every room does with frames: make one of rows for a contract, and take the newest row of each key.

Belongs here: functions of frames that know contracts, and no lake. Reading and writing tables: lake.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import Window as Over
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from data_contracts.delta import ddl
from jobs.engine.rules import SchemaMismatch
from jobs.engine.tables import contract_of


def rows_of(spark: SparkSession, table: str, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Rows by column name as a frame with the columns of a table's contract. A column that a row leaves out is NULL.

    Raises SchemaMismatch for a column that the contract has not.
    """
    return frame_of(spark, ddl(contract_of(table)), rows)


def frame_of(spark: SparkSession, schema: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> DataFrame:
    """Rows as a frame of that DDL schema: by column name, where what a row leaves out is NULL, or in its order.

    Raises SchemaMismatch for a column that the schema has not.
    """
    import pyarrow as pa
    from pyspark.sql.pandas.types import to_arrow_schema

    fields = StructType.fromDDL(schema)
    assert isinstance(fields, StructType)
    named = [row if isinstance(row, Mapping) else dict(zip(fields.names, row, strict=True)) for row in rows]
    for row in named:
        if unknown := row.keys() - set(fields.names):
            raise SchemaMismatch(f"A row names {', '.join(sorted(unknown))}, and there is no such column in {schema}.")
    # From Arrow the rows stand in the plan itself; tuples would be read by a Python process started for it.
    return spark.createDataFrame(pa.Table.from_pylist(named, schema=to_arrow_schema(fields)), fields)


def newest(rows: DataFrame, *, by: Sequence[str], at: str, ties: Sequence[str] = ()) -> DataFrame:
    """Of the rows with the same values of `by`, the one whose `at` is the latest, and of those the first by `ties`."""
    latest = Over.partitionBy(*by).orderBy(F.col(at).desc(), *ties)
    return rows.withColumn("_nth", F.row_number().over(latest)).where("_nth = 1").drop("_nth")
