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

# Of a broken line: enough to see what was wrong. A line has no limit, a row of a table that people read should.
MAX_KEPT_CHARACTERS = 16_384
# By this name a line says that its writer could not make a row of what it holds, and why.
REFUSED = "refused"


def is_one_object(line: str) -> Column:
    """Whether a column of text holds exactly one JSON object (RFC 8259), and nothing before or after it.

    By a strict parser: Spark's stops after the first value, and any wrapping that would show it what follows can be
    written into the line itself.
    """
    # Made here: it loads pandas, which no DAG file may wait for.
    holds_one_object = F.udf(_is_object, BooleanType(), useArrow=True)
    # As bytes: a text column with a byte that is not UTF-8 would end the whole batch on its way to Python.
    return holds_one_object(F.col(line).cast("binary"))


def kept(broken: DataFrame) -> DataFrame:
    """Broken lines (`line` and others) as quarantine keeps them: the beginning of each, and every copy.

    Quarantine keeps equal rows once, so `copy` counts the equal ones of a file from 1. They are told apart by nothing
    else, so that the same file read again gives the same rows.
    """
    begun = broken.withColumn("line", F.substring("line", 1, MAX_KEPT_CHARACTERS))
    equal = Over.partitionBy(*begun.columns).orderBy(F.lit(0))
    return begun.withColumn("copy", F.row_number().over(equal))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
