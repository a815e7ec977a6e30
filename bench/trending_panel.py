"""How what is known of an id at an hour goes with what the next day brings, on a file of repeated counts.

Belongs here: the measurement on real counts. It prints and asserts nothing. On a made world: trending.py.

    python bench/trending_panel.py FILE --of hashtag,snapshot_time_utc,views

FILE is anything that DuckDB reads: an id, a time, and how often it was watched by then. Every EVERY_H hours it prints
Spearman's correlation, within each such hour and averaged, of the score of jobs/features/rises.py and of plain numbers
with what the next day brings: how much is added, and by what factor. Hours between two counts share what came in them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import duckdb
import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from jobs.engine.spark import session
from jobs.features.rises import rises, score
from jobs.settings import Settings

EVERY_H = 6
# What came in each hour; what lies between two counts more than a day apart is nobody's to tell.
PANEL = """
CREATE TABLE told AS
SELECT {id}::VARCHAR AS id, epoch({at}::TIMESTAMPTZ) / 3600 AS t, max({count}) AS n FROM '{file}' GROUP BY ALL;
CREATE TABLE steps AS
SELECT *, lag(t) OVER w AS t0, lag(n) OVER w AS n0 FROM told WINDOW w AS (PARTITION BY id ORDER BY t);
CREATE TABLE hourly AS
SELECT id, h::BIGINT AS hour, sum(greatest(n - n0, 0) * (least(t, h + 1) - greatest(t0, h)) / (t - t0)) AS came
FROM (SELECT *, unnest(range(floor(t0)::BIGINT, floor(t)::BIGINT + 1)) AS h FROM steps WHERE t - t0 BETWEEN 1e-3 AND 24)
GROUP BY ALL;
CREATE TABLE totals AS
SELECT id, hour, sum(came) OVER (PARTITION BY id ORDER BY hour) AS had, came AS "counts in the hour",
    avg(came) OVER (PARTITION BY id ORDER BY hour RANGE 23 PRECEDING) AS "counts an hour, of a day",
    regr_slope(came, hour) OVER (PARTITION BY id ORDER BY hour RANGE 23 PRECEDING) AS "trend of a day"
FROM hourly;
"""
AFTER = """
WITH first AS (SELECT id, arg_min(n, t) AS n FROM told GROUP BY id)
SELECT now.hour, now.had + first.n AS "all counts", now.* EXCLUDE (hour, id, had), score,
    later.had - now.had AS added, (later.had + first.n) / (now.had + first.n) AS factor
FROM totals AS now JOIN totals AS later ON later.id = now.id AND later.hour = now.hour + 24
JOIN first ON first.id = now.id JOIN scored ON scored.id = now.id AND scored.at = now.hour
"""


def panel(spark: SparkSession, file: Path, id: str, at: str, count: str) -> Table:
    """How what is known at an hour goes with what the next day brings."""
    with duckdb.connect() as con:
        con.execute(PANEL.format(file=file, id=id, at=at, count=count))
        counts = spark.createDataFrame(
            con.sql("SELECT id, hour, round(came)::BIGINT AS count FROM hourly WHERE round(came) > 0").to_arrow_table()
        )
        every = f"SELECT DISTINCT hour AS at FROM hourly WHERE hour % {EVERY_H} = 0"
        hours = spark.createDataFrame(con.sql(every).to_arrow_table())
        lately, expected, certainty = (F.col(name) for name in ("lately", "expected", "certainty"))
        risen = rises(counts, hours).select("id", "at", score(lately, expected, certainty).alias("score"))
        con.register("scored", risen.toArrow())
        rows = con.sql(AFTER).df()
    table = Table(title=f"{file.name}: {len(rows):,} of {rows.hour.nunique():,} hours, what the next day brings")
    for column in ("by", "added", "factor"):
        table.add_column(column, justify="left" if column == "by" else "right")
    groups = [group for _, group in rows.groupby("hour") if len(group) > 4]
    for by in ("all counts", "counts in the hour", "counts an hour, of a day", "trend of a day", "score"):
        found = [[group[by].corr(group[to], method="spearman") for group in groups] for to in ("added", "factor")]
        table.add_row(by, *(f"{np.nanmean(each):.3f}" for each in found))
    return table


@click.command(help=__doc__)
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--of", default="id,at,count", show_default=True, help="its columns: the id, the time, the count")
def main(file: Path, of: str) -> None:
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as folder:
        spark = session(Settings(home=Path(folder), spark_master="local[2]"), "bench")
        try:
            Console().print(panel(spark, file, *of.split(",")))
        finally:
            spark.stop()


if __name__ == "__main__":
    main()
