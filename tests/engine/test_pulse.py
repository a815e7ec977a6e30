"""A job says how far it is while it runs, and nothing once it is over."""

import re
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.engine.pulse import pulse


def test_a_job_says_for_how_long_it_has_run_and_how_far_spark_is(spark: SparkSession) -> None:
    lines: list[str] = []

    # Without hints, of which Spark knows those of arrays only.
    def slowly(number):  # type: ignore[no-untyped-def]
        time.sleep(1)
        return number

    slow = spark.range(2, numPartitions=2).select(F.udf(slowly, "bigint")("id"))
    with pulse(spark, "sim.noop", lines.append, every_s=0.2):
        while not lines:
            time.sleep(0.05)
        # Not collect(), whose socket is left to the garbage collector.
        slow.write.format("noop").mode("overwrite").save()
    assert re.fullmatch(r"sim\.noop has run for \d+ s; no Spark stage runs, so it works in Python or waits", lines[0])
    assert any(" of 2 tasks done, in " in line for line in lines)
    said = len(lines)
    time.sleep(0.5)
    assert len(lines) == said
