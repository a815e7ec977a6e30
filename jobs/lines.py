"""Lines of JSON as they come from outside: which of them hold one object, and how those that do not are kept.

Belongs here: what every reader of such lines needs. Which files they come from: stream.py. What an object means:
events/ingest.py, media/ingest.py.
"""

from __future__ import annotations

import orjson
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType


def is_one_object(line: str) -> Column:
    """Whether a column of text holds exactly one JSON object (RFC 8259), and nothing before or after it.

    By a strict parser: Spark's stops after the first value, and any wrapping that would show it what follows can be
    written into the line itself.
    """
    # Made here: it loads pandas, which no DAG file may wait for.
    holds_one_object = F.udf(_is_object, BooleanType(), useArrow=True)
    # As bytes: a text column with a byte that is not UTF-8 would end the whole batch on its way to Python.
    return holds_one_object(F.col(line).cast("binary"))


def each_copy(broken: DataFrame) -> DataFrame:
    """The lines with `copy`, 1 for the first of several equal ones of a file: quarantine keeps equal rows once.

    Equal lines are told apart by a number only, so that the same file read again gives the same rows.
    """
    equal = Over.partitionBy(*broken.columns).orderBy(F.lit(0))
    return broken.withColumn("copy", F.row_number().over(equal))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
