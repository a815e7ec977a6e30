"""Events a second from the spool to silver.watches, all checks on, beside DuckDB over the same files in the same run.

Belongs here: the measurement. It asserts only that both ways end in equally many rows: a ratio is not a test.

    python bench/ingest.py [EVENTS ...]        # by default 100000 1000000

Ours is events.ingest and events.watches by the runner: every line parsed strictly, each event once, contracts checked,
what is broken kept with its reason, watches merged. The plain way is DuckDB, with two threads: it reads the same files
by a fixed schema, takes each key once and makes the same watches, all as Parquet files, without checks and without what
is broken. Of 100 events one comes again, of 10,000 lines one is torn. A day of a tenth as many events is there before,
so that neither way begins with empty tables. Each size has a process of its own; the world is drawn by hashing.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import click
import duckdb
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

import data_contracts
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.spark import session
from jobs.engine.window import Window
from jobs.evaluation.meter import Spent, measured
from jobs.events.watches import EVENTS, REACTIONS, VIDEOS, WATCHES
from jobs.pipeline import find
from jobs.settings import Settings

DAY = date(2026, 3, 2)
# Each day, and the part of the events that come on it.
DAYS = {DAY - timedelta(days=1): 0.1, DAY: 1.0}
CATALOGUE, THREADS = 10_000, 2
# A spool file is closed after 16 MB (serving/spool.py), which are about so many events.
LINES_OF_A_FILE = 50_000
COLUMNS = {
    "event_id": "VARCHAR", "user_id": "VARCHAR", "video_id": "VARCHAR", "event_type": "VARCHAR",
    "event_at": "TIMESTAMP", "session_id": "VARCHAR", "position": "INT", "feed_version": "VARCHAR",
    "watch_ms": "BIGINT", "share_watched": "DOUBLE", "received_at": "TIMESTAMP",
}  # fmt: skip
# Of a viewer's five events the first is an impression, then come a view, a reaction to it, another impression, and
# mostly another view.
DRAWN = """
CREATE TABLE drawn AS
SELECT 'e' || i || '-{day}' AS event_id, 'u' || (hash(g) % greatest({events} // 50, 1)) AS user_id,
    'v' || ((hash(g, r // 3) % 1000000 / 1e6) ** 2 * {catalogue})::INT AS video_id,
    CASE WHEN r IN (0, 3) THEN 'impression' WHEN r = 1 OR (r = 4 AND hash(i) % 10 < 8) THEN 'view'
        WHEN hash(i) % 10 < 5 THEN 'like' WHEN hash(i) % 10 < 9 THEN 'skip' ELSE 'share' END AS event_type,
    TIMESTAMP '{day}' + to_microseconds((hash(g, 'at') % 86000000000 + 4000000 * r)::BIGINT) AS event_at,
    's' || g AS session_id, CASE WHEN r IN (0, 3) THEN r // 3 END::INT AS position,
    CASE WHEN r IN (0, 3) THEN 'f{day}' END AS feed_version,
    CASE WHEN event_type = 'view' THEN hash(i, 'ms') % 30000 END::BIGINT AS watch_ms, NULL::DOUBLE AS share_watched,
    event_at + INTERVAL 5 SECOND AS received_at
FROM (SELECT range AS i, range // 5 AS g, range % 5 AS r FROM range({events}))
"""
AS_LINES = """
CREATE TABLE lines AS SELECT json(told)::VARCHAR AS line FROM (
    SELECT * REPLACE (strftime(event_at, '{iso}') AS event_at, strftime(received_at, '{iso}') AS received_at)
    FROM (
        FROM drawn UNION ALL BY NAME
        SELECT * REPLACE (received_at + INTERVAL 1 MINUTE AS received_at) FROM drawn WHERE hash(event_id) % 100 = 0
    )
) AS told
"""
ISO = "%Y-%m-%dT%H:%M:%S.%fZ"
A_FILE = """
SELECT CASE WHEN rowid % 10000 = 9999 THEN line[:60] ELSE line END FROM lines
WHERE rowid >= {first} AND rowid < {first} + {lines}
"""
VIDEOS_SQL = (
    f"SELECT 'v' || range AS video_id, (1000 + hash(range) % 60000)::BIGINT AS duration_ms FROM range({CATALOGUE} + 1)"
)
TAKEN_IN = """
COPY (
    SELECT * EXCLUDE nth FROM (
        SELECT *, row_number() OVER (PARTITION BY user_id, event_id ORDER BY received_at) AS nth
        FROM read_json('{spool}/*.jsonl', format = 'newline_delimited', columns = {columns}, ignore_errors = true)
        WHERE event_id IS NOT NULL
    ) AS e
    WHERE nth = 1 AND NOT EXISTS (FROM kept WHERE kept.user_id = e.user_id AND kept.event_id = e.event_id)
) TO '{place}/events-{day}.parquet'
"""
KEPT = "CREATE OR REPLACE VIEW kept AS FROM '{place}/events-*.parquet'"
# jobs/events/watches.py once more, for views that say their time.
WATCHED = """
COPY (
    WITH placed AS (
        SELECT *, max(event_at) FILTER (event_type = 'view') OVER w AS started_at,
            max({{'at': event_at, 'position': position, 'feed_version': feed_version}})
                FILTER (event_type = 'impression') OVER w AS shown
        FROM kept WHERE event_at >= TIMESTAMP '{day}' - INTERVAL 2 DAY
        WINDOW w AS (PARTITION BY user_id, video_id ORDER BY event_at RANGE UNBOUNDED PRECEDING)
    )
    SELECT user_id, video_id, started_at, max(watch_ms) AS watch_ms,
        round(max(watch_ms) / any_value(duration_ms), 6) AS share_watched,
        any_value(shown.position) AS position, any_value(shown.feed_version) AS feed_version, {reactions}
    FROM placed JOIN videos USING (video_id)
    WHERE event_at <= started_at + INTERVAL 1 DAY
    GROUP BY user_id, video_id, started_at
) TO '{place}/watches-{day}.parquet'
"""
REACTED = ", ".join(
    f"bool_or(event_type = '{kind}') AS {flag}, min(event_at) FILTER (event_type = '{kind}') AS {at}"
    for kind, (flag, at) in REACTIONS.items()
)


@dataclass(frozen=True)
class Compared:
    """What each way took for the day, in seconds and memory; ours by job."""

    events: int
    bytes: int
    ours: dict[str, Spent]
    plain: Spent
    rows: tuple[int, int]


def draw(spool: Path, day: date, events: int) -> None:
    """The files of a day, as endpoints leave them."""
    spool.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(DRAWN.format(day=day, events=events, catalogue=CATALOGUE))
        con.execute(AS_LINES.format(iso=ISO))
        (count,) = con.execute("SELECT count(*) FROM lines").fetchall()[0]
        for first in range(0, count, LINES_OF_A_FILE):
            rows = con.execute(A_FILE.format(first=first, lines=LINES_OF_A_FILE)).fetchall()
            (spool / f"{day}-{first:09}.jsonl").write_text("".join(f"{line}\n" for (line,) in rows))


def plainly(spools: dict[date, Path], place: Path) -> tuple[Spent, tuple[int, int]]:
    """DuckDB's way: what the last day took, and how many events and watches there are then."""
    place.mkdir()
    spent = Spent()
    with duckdb.connect() as con:
        con.execute(f"SET threads = {THREADS}")
        con.execute(f"CREATE TABLE videos AS {VIDEOS_SQL}")
        con.execute("CREATE TABLE none AS SELECT NULL::VARCHAR AS user_id, NULL::VARCHAR AS event_id LIMIT 0")
        con.execute("CREATE VIEW kept AS FROM none")
        for day, spool in spools.items():
            with measured() as spent:
                con.execute(TAKEN_IN.format(spool=spool, place=place, day=day, columns=json.dumps(COLUMNS)))
                con.execute(KEPT.format(place=place))
                con.execute(WATCHED.format(place=place, day=day, reactions=REACTED))
        counted = f"SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM '{place}/watches-{DAY}.parquet')"
        events, watches = con.execute(counted).fetchall()[0]
    return spent, (events, watches)


def publish(lake: Lake) -> None:
    """The catalogue, each video of the length that the plain way gives it."""
    with duckdb.connect() as con:
        videos = lake.spark.createDataFrame(con.sql(VIDEOS_SQL).to_arrow_table())
    columns = {
        "user_id": "'creator'", "title": "video_id", "hashtags": "array()", "status": "'published'",
        "source": "'api'", "published_at": "TIMESTAMP '2026-01-01'", "duration_ms": "duration_ms",
        "video_id": "video_id",
    }  # fmt: skip
    described = data_contracts.load(VIDEOS).columns
    made = [F.expr(columns.get(c.name, "NULL")).cast(c.type).alias(c.name) for c in described]
    lake.merge(VIDEOS, videos.select(*made))


def compare(events: int) -> Compared:
    """Both ways, the plain one first, before there is a JVM to share the memory with."""
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as folder:
        place = Path(folder)
        spools = {day: place / f"spool-{day}" for day in DAYS}
        for day, spool in spools.items():
            draw(spool, day, int(events * DAYS[day]))
        size = sum(file.stat().st_size for file in spools[DAY].iterdir())
        plain, theirs = plainly(spools, place / "plain")
        settings = Settings(home=place / "home", spark_master=f"local[{THREADS}]")
        spark = session(settings, "bench")
        try:
            publish(Lake(spark, settings))
            ours: dict[str, Spent] = {}
            for day, spool in spools.items():
                settings.events.mkdir(parents=True, exist_ok=True)
                for file in spool.iterdir():
                    file.rename(settings.events / file.name)
                for name in ("events.ingest", "events.watches"):
                    with measured() as ours[name]:
                        run_job(find(name), Window.of_day(day), spark, settings)
            lake = Lake(spark, settings)
            rows = (lake.read(EVENTS).count(), lake.read(WATCHES).count())
        finally:
            spark.stop()
    if rows != theirs:
        raise AssertionError(f"ours are {rows} events and watches, DuckDB's {theirs}")
    return Compared(events, size, ours, plain, rows)


@click.command(help=__doc__)
@click.argument("events", nargs=-1, type=int)
def main(events: tuple[int, ...]) -> None:
    table = Table(title=f"from the spool to {WATCHES}, {os.cpu_count()} cores")
    for column in ("events", "way", "seconds", "events/s", "ratio", "core-s per 10^6", "MB at most"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for count in events or (100_000, 1_000_000):
        # Of its own, so that no size begins with the memory of another.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            found = apart.submit(compare, count).result()
        whole = Spent()
        for spent in found.ours.values():
            whole = whole.then(spent)
        for way, spent in {**found.ours, "both jobs": whole, "DuckDB, no checks": found.plain}.items():
            table.add_row(
                f"{count:,}", way, f"{spent.seconds:.1f}", f"{count / spent.seconds:,.0f}",
                f"{spent.seconds / found.plain.seconds:.1f}", f"{spent.core_seconds / count * 1e6:.1f}",
                f"{spent.peak_mb:,.0f}",
            )  # fmt: skip
        table.caption = f"{found.bytes / count:.0f} bytes an event in the spool"
    Console().print(table)


if __name__ == "__main__":
    main()
