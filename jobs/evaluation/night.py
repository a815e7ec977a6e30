"""What the gate found on a night, read for people: every system with its figures, and what sources bring to the feeds.

Belongs here: reading gold.verdicts, gold.candidates and gold.feeds of one night, and which run made the comparison of
which versions of tables (ops.job_runs), without Spark. What is compared and
how: jobs/ranking/judge.py; nothing is measured twice. The page: night_page.py. What a terminal shows:
jobs/command/rankings.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from jobs.engine.query import exists, query
from jobs.engine.tables import JOB_RUNS
from jobs.ranking.guards import RULE, Guarded
from jobs.ranking.intervals import Interval
from jobs.ranking.metrics import K
from jobs.ranking.orders import Order
from jobs.ranking.sources import registry
from jobs.ranking.sources.popularity import POPULARITY
from jobs.settings import Settings

# Below this order nothing is to serve.
FLOOR = Order(POPULARITY).version
# What the cells of a system's guards are called.
GUARDS = ("coverage", "new", "small", "calibrated", "steps")
# Viewers whose slots are counted, by a hash of their ids: a share of so many slots is good to one in a hundred.
VIEWERS = 2_000


@dataclass(frozen=True)
class System:
    """One system of the comparison; `less` is its figure less that of the system that serves, paired by viewers."""

    name: str
    kind: str
    is_serving: bool
    why: str
    ndcg: Interval
    less: Interval
    guarded: Guarded

    @property
    def guards(self) -> list[str]:
        """The cells under GUARDS; an empty one where nothing was measured."""
        *shares, steps = self.guarded
        return ["" if share is None else f"{share:.3f}" for share in shares] + ["" if steps is None else f"{steps:,}"]


@dataclass(frozen=True)
class Night:
    """The comparison of a night, the best system first."""

    day: date
    systems: tuple[System, ...]
    is_judged: bool
    viewers: int
    moments: int
    judged_from: datetime
    made_of: str | None  # in words, the run that compared and the versions that it read

    @property
    def serves(self) -> System:
        (one,) = (system for system in self.systems if system.is_serving)
        return one

    @property
    def sentences(self) -> list[str]:
        """Who won, and why, in plain words; then what became of tonight's models."""
        serves = self.serves
        said = [
            f"judged on what {self.viewers:,} viewers did since {self.judged_from:%Y-%m-%d}, which no model was "
            "trained on",
            f"{serves.name} serves: {serves.why}",
        ]
        for system in self.systems:
            if system.name == FLOOR and not system.is_serving:
                less = system.less
                above = f"{-less.value:+.4f} [{-less.high:+.4f}, {-less.low:+.4f}]"
                said.append(f"{serves.name} less {FLOOR}, below which nothing is to serve: {above}")
            if system.kind == "challenger" and not system.is_serving and self.is_judged:
                said.append(f"{system.name}, tonight's model, does not serve: {system.why}")
        said.append(RULE)
        return [*said, self.made_of] if self.made_of else said


@dataclass(frozen=True)
class Brought:
    """What a source has to do with the first slots of the feeds of a night, as shares of these slots.

    `proposed` of them, `alone` those that no other source proposed; `shared`: of its own first candidates, the share
    that are among another source's first ones.
    """

    source: str
    proposed: float
    alone: float
    shared: dict[str, float]


def read(settings: Settings, day: date | None = None) -> Night | None:
    """The comparison of a night, by default the newest; None where there was none."""
    if not exists("gold.verdicts", settings):
        return None
    of_night = f"DATE '{day}'" if day else "(SELECT max(event_date) FROM gold.verdicts)"
    columns, rows = query(
        f"SELECT * FROM gold.verdicts WHERE event_date = {of_night} ORDER BY ndcg_at_10 DESC, system", settings
    )
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    if not found:
        return None
    one = found[0]
    return Night(
        day=one["event_date"],
        systems=tuple(_system(row) for row in found),
        is_judged=one["is_judged"],
        viewers=one["viewers"],
        moments=one["moments"],
        judged_from=one["judged_from"],
        made_of=_made_of(settings, one["event_date"]),
    )


def brought(settings: Settings, day: date) -> list[Brought]:
    """What each source brought to the feeds of a night; nothing where the night has no feeds."""
    if not (exists("gold.feeds", settings) and exists("gold.candidates", settings)):
        return []
    some = f"""
        SELECT user_id FROM gold.feeds WHERE event_date = DATE '{day}' AND position = 0
        ORDER BY md5(user_id), user_id LIMIT {VIEWERS}
    """
    slots = f"""
        WITH proposals AS (
            SELECT user_id, video_id, source, count(*) OVER (PARTITION BY user_id, video_id) AS sources
            FROM gold.candidates WHERE event_date = DATE '{day}' AND user_id IN ({some})
        ), slots AS (
            SELECT user_id, video_id FROM gold.feeds
            WHERE event_date = DATE '{day}' AND position < {K} AND user_id IN ({some})
        )
        SELECT source, count(*) / (SELECT count(*) FROM slots),
               count(*) FILTER (WHERE sources = 1) / (SELECT count(*) FROM slots)
        FROM slots JOIN proposals USING (user_id, video_id) GROUP BY source
    """
    pairs = f"""
        WITH best AS (
            SELECT user_id, video_id, source FROM gold.candidates
            WHERE event_date = DATE '{day}' AND rank <= {K} AND user_id IN ({some})
        ), own AS (SELECT source, count(*) AS size FROM best GROUP BY source)
        SELECT a.source, b.source, count(*) / any_value(own.size)
        FROM best a JOIN best b USING (user_id, video_id) JOIN own ON own.source = a.source GROUP BY a.source, b.source
    """
    shares = {source: (proposed, alone) for source, proposed, alone in query(slots, settings)[1]}
    shared = {(one, other): share for one, other, share in query(pairs, settings)[1]}
    names = [source.name for source in registry.SOURCES]
    return [
        Brought(name, *shares.get(name, (0.0, 0.0)), {other: shared.get((name, other), 0.0) for other in names})
        for name in names
        if shares
    ]


def _made_of(settings: Settings, day: date) -> str | None:
    """The newest run that compared on that night, and what it read; None where no run is recorded."""
    if not exists(JOB_RUNS, settings):
        return None
    end = datetime.combine(day, time(), UTC) + timedelta(days=1)
    _, rows = query(
        f"SELECT run_id, reads FROM {JOB_RUNS} WHERE job = 'ranking.train' AND status = 'succeeded' "
        f"AND window_end = TIMESTAMPTZ '{end}' ORDER BY started_at DESC LIMIT 1",
        settings,
    )
    if not rows:
        return None
    run_id, reads = rows[0]
    versions = ", ".join(f"{read['table']} version {read['version']}" for read in reads)
    return f"compared by the run {run_id}, from {versions}"


def _system(row: dict[str, Any]) -> System:
    return System(
        name=row["system"],
        kind=row["kind"],
        is_serving=row["is_serving"],
        why=row["why"],
        ndcg=Interval(row["ndcg_at_10"], row["ndcg_at_10_low"], row["ndcg_at_10_high"]),
        less=Interval(row["difference"], row["difference_low"], row["difference_high"]),
        # What the row is older than was not measured.
        guarded=Guarded(
            row["coverage"],
            row["new_share"],
            row.get("small_share"),
            row.get("calibration"),
            row.get("scoring_steps"),
        ),
    )
