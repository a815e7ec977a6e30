"""What the daily feature jobs take, checks on, beside SQL by hand in DuckDB over the same files in the same run.

Belongs here: the measurement. It asserts only that both ways count the same: a ratio is not a test.

    python bench/features.py [WATCHES ...]     # by default 1000000; how many there are in 28 days

Three runs of each job, by the runner: a home that has seen nothing does 28 days at once; then the 29th day comes, and
the job does just that; and the same 29th day with 7 days before it instead of 28. The plain way is one SELECT for each
table, in DuckDB with as many threads, written to Parquet: for the 28 days, the state of every entity at the end of
every day on which it was watched, for the one day that of every entity watched on it, of all of the past. It checks
nothing, sets nothing aside, and has no row for the days on which something only leaves a span. "all past" is the job
for the one day once more, asked for by itself, which then goes on from nothing. Each size has a process of its own; the
world is drawn by hashing, and a few videos have most of the watches.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import click
import deltalake
import duckdb
import pyarrow as pa
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

import data_contracts
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.spark import session
from jobs.engine.window import Window
from jobs.evaluation.meter import Spent, measured
from jobs.pipeline import find
from jobs.settings import Settings

DAY = date(2026, 3, 29)  # the one that comes last
THREADS = 2
LONG, SHORT = 28, 7
JOBS = {
    "features.users": "gold.user_daily",
    "features.videos": "gold.video_daily",
    "features.hashtags": "gold.hashtag_daily",
}
# Of a hundred watches of a viewer, and as many of a video in the mean; 5 % of watches are liked, a fifth are skipped.
WATCHED = """
SELECT DISTINCT ON (user_id, video_id, started_at) * FROM (
    SELECT 'u' || (hash(i, 'u{day}') % {viewers}) AS user_id,
        'v' || ((hash(i, 'v{day}') % 1000000 / 1e6) ** 2 * {videos})::INT AS video_id,
        (TIMESTAMP '{day}' + to_microseconds((hash(i, 'at') % 86400000000)::BIGINT))::TIMESTAMPTZ AS started_at,
        (hash(i, 'ms') % 30000)::BIGINT AS watch_ms, round((hash(i, 'ms') % 30000) / 30000, 6) AS share_watched,
        share_watched >= 0.9 AS is_finished, share_watched < 0.2 AS is_skipped, hash(i, 'l') % 20 = 0 AS is_liked,
        hash(i, 's') % 50 = 0 AS is_shared, false AS is_commented, false AS is_followed, false AS is_not_interested,
        false AS is_reported, NULL::INT AS position, NULL::VARCHAR AS feed_version,
        CASE WHEN is_skipped THEN started_at + INTERVAL 2 SECOND END AS skipped_at,
        CASE WHEN is_liked THEN started_at + INTERVAL 20 MINUTE END AS liked_at,
        CASE WHEN is_shared THEN started_at + INTERVAL 30 MINUTE END AS shared_at,
        NULL::TIMESTAMPTZ AS commented_at, NULL::TIMESTAMPTZ AS followed_at, NULL::TIMESTAMPTZ AS not_interested_at,
        NULL::TIMESTAMPTZ AS reported_at
    FROM (SELECT range AS i FROM range({watches}))
)
"""
PUBLISHED = """
SELECT 'v' || range AS video_id, 'c' || (range % 100) AS user_id, 'v' || range AS title,
    ['h' || ((hash(range, 'h') % 1000 / 1e3) ** 2 * 1000)::INT, 'g' || (range % 50)] AS hashtags,
    'published' AS status, 'api' AS source, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS published_at,
    (1000 + hash(range) % 60000)::BIGINT AS duration_ms
FROM range({videos} + 1)
"""
# Of each table: its entity, the word for its watches, and what it counts different values of.
ENTITIES = {
    "gold.user_daily": ("user_id", "watches", ("day",)),
    "gold.video_daily": ("video_id", "views", ("user_id",)),
    "gold.hashtag_daily": ("hashtag", "views", ("user_id", "video_id")),
}
ROWS = """
CREATE OR REPLACE VIEW watched AS
SELECT * EXCLUDE started_at, (epoch_us(started_at) // 86400000000)::INT AS day FROM read_parquet({files});
CREATE OR REPLACE VIEW tagged AS
SELECT watched.*, hashtag FROM watched
JOIN (SELECT video_id, unnest(list_distinct(hashtags)) AS hashtag FROM published) USING (video_id)
"""
SUMMED = {
    "n": "1", "finishes": "is_finished::INT", "skips": "is_skipped::INT", "likes": "is_liked::INT",
    "shares": "is_shared::INT", "share": "share_watched", "ms": "watch_ms",
}  # fmt: skip
EVER = 1_000_000
SPANS = {"7d": 7, "28d": 28, "total": EVER}


def every_day(entity: str, rows: str, members: Sequence[str]) -> str:
    """The state at the end of each day on which an entity was watched: sums by frames, different values by steps."""
    summed = ", ".join(f"sum({sql}) AS {name}" for name, sql in SUMMED.items())
    framed = ", ".join(
        f"sum({name}) OVER (e RANGE BETWEEN {span - 1} PRECEDING AND CURRENT ROW) AS {name}_{label}"
        for name in SUMMED
        for label, span in SPANS.items()
    )
    return f"""
        WITH daily AS (SELECT {entity}, day, {summed} FROM {rows} GROUP BY ALL),
        {", ".join(part for member in members for part in different(entity, rows, member))}
        SELECT {entity}, day, {framed}, {", ".join(f"{m}_{label}" for m in members for label in SPANS)}
        FROM daily {" ".join(f"JOIN counted_{member} USING ({entity}, day)" for member in members)}
        WINDOW e AS (PARTITION BY {entity} ORDER BY day)
    """


def different(entity: str, rows: str, member: str) -> list[str]:
    """The parts of a WITH that count the different members of an entity over each span, in `counted_<member>`.

    A member enters after a gap of a span, and leaves as long after its last day before one.
    """
    enters = ", ".join(f"(since >= {span})::INT AS of_{label}" for label, span in SPANS.items())
    leaves = [
        f"SELECT {entity}, day + {span}, "
        + ", ".join(f"-(until >= {span})::INT" if label == other else "0" for other in SPANS)
        + f" FROM gaps_{member}"
        for label, span in SPANS.items()
        if label != "total"
    ]
    so_far = ", ".join(
        f"sum(sum(of_{label})) OVER (PARTITION BY {entity} ORDER BY day) AS {member}_{label}" for label in SPANS
    )
    steps = " UNION ALL ".join([f"SELECT {entity}, day, {enters} FROM gaps_{member}", *leaves])
    gaps = f"""SELECT {entity}, day, coalesce(day - lag(day) OVER w, {EVER}) AS since,
            coalesce(lead(day) OVER w - day, {EVER}) AS until
        FROM (SELECT DISTINCT {entity}, {member} AS member, day FROM {rows})
        WINDOW w AS (PARTITION BY {entity}, member ORDER BY day)"""
    return [
        f"gaps_{member} AS ({gaps})",
        f"counted_{member} AS (SELECT {entity}, day, {so_far} FROM ({steps}) GROUP BY {entity}, day)",
    ]


def one_day(entity: str, rows: str, members: Sequence[str], day: int) -> str:
    """The state at the end of a day of each entity that was watched on it: one GROUP BY."""
    made = [
        f"{sql} FILTER (day > {day} - {span}) AS {name}_{label}"
        for name, sql in [
            *((name, f"sum({sql})") for name, sql in SUMMED.items()),
            *((member, f"count(DISTINCT {member})") for member in members),
        ]
        for label, span in SPANS.items()
    ]
    return f"""
        SELECT {entity}, {day} AS day, {", ".join(made)} FROM {rows}
        WHERE {entity} IN (SELECT {entity} FROM {rows} WHERE day = {day}) GROUP BY {entity}
    """


class Took(NamedTuple):
    """What a job took, what the plain way took, and what the job takes for the one day made of all of the past."""

    ours: Spent
    plain: Spent
    anew: Spent | None


def compare(watches: int) -> dict[tuple[str, str], Took]:
    """Both ways, by kind of run and job."""
    found: dict[tuple[str, str], Took] = {}
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as folder:
        for before in (LONG, SHORT):
            settings = Settings(home=Path(folder) / f"{before}", spark_master=f"local[{THREADS}]")
            spark = session(settings, "bench")
            try:
                lake = Lake(spark, settings)
                for table in ("silver.watches", "silver.videos"):
                    lake.create(table)
                with duckdb.connect() as con:
                    con.execute(f"SET threads = {THREADS}; SET TimeZone = 'UTC'")
                    plain = PlainWay(con, lake, Path(folder), watches)
                    plain.publish()
                    past = [DAY - timedelta(days=n) for n in range(before, 0, -1)]
                    for day in past:
                        plain.happen(day)
                    whole = run(lake, plain, Window.of_days(past[0], past[-1]))
                    plain.happen(DAY)
                    one = run(lake, plain, Window.of_day(DAY))
            finally:
                spark.stop()
            if before == LONG:
                found |= {(f"{LONG} days at once", name): took for name, took in whole.items()}
            found |= {(f"one day after {before}", name): took for name, took in one.items()}
    return found


class PlainWay:
    """A world in the lake's own files, and DuckDB's way to count it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, lake: Lake, place: Path, watches: int) -> None:
        self._con, self._lake, self._place = con, lake, place
        self._a_day = watches // LONG
        self._world = {"viewers": max(watches // 100, 1), "videos": max(watches // 100, 1)}

    def publish(self) -> None:
        self._con.execute(f"CREATE TABLE published AS {PUBLISHED.format(**self._world)}")
        file = self._place / "published.parquet"
        self._con.execute(f"COPY published TO '{file}'")
        videos, described = self._lake.spark.read.parquet(f"{file}"), data_contracts.load("silver.videos").columns
        made = [
            (F.col(c.name) if c.name in videos.columns else F.lit(None)).cast(c.type).alias(c.name) for c in described
        ]
        self._lake.merge("silver.videos", videos.select(*made))

    def happen(self, day: date) -> None:
        """The watches of a day, in one file."""
        there = self._lake.tables.open("silver.watches")
        schema = pa.schema(there.schema())
        drawn = self._con.sql(WATCHED.format(day=day, watches=self._a_day, **self._world)).to_arrow_table()
        deltalake.write_deltalake(there, drawn.select(schema.names).cast(schema), mode="append")

    def count(self, table: str, window: Window) -> tuple[Spent, list[tuple[int, ...]]]:
        """What it took to make the rows of the window; how many, and sums over them that both ways must agree on."""
        entity, _, members = ENTITIES[table]
        rows = "tagged" if entity == "hashtag" else "watched"
        self._con.execute(ROWS.format(files=self._lake.tables.open("silver.watches").file_uris()))
        day = (window.day - date(1970, 1, 1)).days
        alone = window.end - window.start == timedelta(days=1)
        sql = one_day(entity, rows, members, day) if alone else every_day(entity, rows, members)
        file = self._place / f"{table}.parquet"
        with measured() as spent:
            self._con.execute(f"COPY ({sql}) TO '{file}'")
        checked = f"SELECT count(*), sum(n_7d), sum(n_28d), sum(n_total), sum({members[0]}_28d) FROM '{file}'"
        return spent, self._con.execute(checked).fetchall()

    def ours(self, table: str, window: Window) -> list[tuple[int, ...]]:
        """The same of our table, of the days on which an entity was watched."""
        _, word, members = ENTITIES[table]
        counted = {"day": "active_days", "user_id": "viewers"}[members[0]]
        last = "last_watch_date" if word == "watches" else "last_view_date"
        return self._con.execute(
            f"""SELECT count(*), sum({word}_7d), sum({word}_28d), sum({word}_total), sum({counted}_28d)
            FROM read_parquet({self._lake.tables.open(table).file_uris()})
            WHERE {last} = event_date AND event_date >= '{window.start:%Y-%m-%d}' AND event_date <= '{window.day}'"""
        ).fetchall()


def run(lake: Lake, plain: PlainWay, window: Window) -> dict[str, Took]:
    """Each job for the window, catching up, and the plain way beside it."""
    found = {}
    for name, table in JOBS.items():
        theirs, counted = plain.count(table, window)
        with measured() as ours:
            run_job(find(name), window, lake.spark, lake.settings, catch_up=True)
        made = plain.ours(table, window)
        if [tuple(map(int, row)) for row in made] != [tuple(map(int, row)) for row in counted]:
            raise AssertionError(f"{table} for {window}: ours count {made}, DuckDB {counted}")
        anew = None
        if window.end - window.start == timedelta(days=1):
            with measured() as anew:
                run_job(find(name), window, lake.spark, lake.settings)
        found[name] = Took(ours, theirs, anew)
    return found


@click.command(help=__doc__)
@click.argument("watches", nargs=-1, type=int)
def main(watches: tuple[int, ...]) -> None:
    table = Table(title=f"daily features, {THREADS} threads each")
    for column in (
        "watches",
        "run",
        "job",
        "seconds",
        "core-s",
        "MB",
        "all past: s",
        "core-s",
        "DuckDB: s",
        "core-s",
        "ratio",
    ):
        table.add_column(column, justify="left" if column in ("run", "job") else "right")
    for count in watches or (1_000_000,):
        # Of its own, so that no size begins with the memory of another.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            found = apart.submit(compare, count).result()
        for (kind, job), took in found.items():
            table.add_row(
                f"{count:,}", kind, job, f"{took.ours.seconds:.1f}", f"{took.ours.core_seconds:.1f}",
                f"{took.ours.peak_mb:,.0f}",
                *((f"{took.anew.seconds:.1f}", f"{took.anew.core_seconds:.1f}") if took.anew else ("", "")),
                f"{took.plain.seconds:.2f}", f"{took.plain.core_seconds:.1f}",
                f"{took.ours.seconds / took.plain.seconds:.1f}",
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
