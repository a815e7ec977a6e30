"""What the feeds of a night show, as one page of HTML with pictures, which needs no network.

Belongs here: what stands on that page, and what is read for it from gold.feed_audit. The measures: jobs/feeds/audit.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

from jobs.engine.query import exists, query
from jobs.errors import LastingError
from jobs.evaluation.charts import bars, lines
from jobs.evaluation.page import document
from jobs.feeds.audit import AUDIT, DEPTHS, MEASURES, POPULARITY, SERVED
from jobs.host.files import appearing
from jobs.settings import Settings

# So many nights before it are drawn beside a night.
NIGHTS = 30


class NotAudited(LastingError):
    """No night, or not this one, has an audit."""


@dataclass(frozen=True)
class Audited:
    """A measure of a night's feeds, of so many first slots of each; None of popularity where it proposed nothing.

    Of the feeds of an arm, which says what it is compared in; of all feeds both are None. Their policy is None where
    not all have the same.
    """

    night: date
    metric: str
    depth: int
    value: float
    popularity: float | None
    behind: float | None
    comparison: str | None
    arm: str | None
    policy: str | None

    @property
    def words(self) -> str:
        return MEASURES[self.metric].words

    @property
    def worse(self) -> str:
        """By how much it is worse than popularity's, in words; empty where it is not, to the percent."""
        return f"worse by {self.behind:.0%}" if round(self.behind or 0, 2) else ""

    @property
    def sides(self) -> list[tuple[str, float]]:
        """What is drawn of it, by its name."""
        whose = f"{self.arm}, " if self.arm else ""
        both = ((SERVED, self.value), (POPULARITY, self.popularity))
        return [(whose + who, value) for who, value in both if value is not None]


def whose(tonight: Sequence[Audited]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns that say of which feeds each measure is, and their cells; no column where nothing was compared."""
    if not any(one.arm for one in tonight):
        return (), [() for _ in tonight]
    return ("feeds", "policy"), [(one.arm or "all", one.policy or "several") for one in tonight]


def audited(settings: Settings, night: date | None) -> list[Audited]:
    """A night, the newest if none is named, and those before it: oldest first, each in the order of MEASURES.

    Raises NotAudited.
    """
    nights = (
        query(f"SELECT DISTINCT event_date FROM {AUDIT} ORDER BY 1", settings)[1] if exists(AUDIT, settings) else []
    )
    there = [row[0] for row in nights]
    if not there or night not in (None, *there):
        held = f"from {there[0]} to {there[-1]}" if there else "of no night yet"
        raise NotAudited(
            f"There is no audit of {night or 'any night'} (there are some {held}). The nightly pipeline makes one of "
            "the feeds that it builds; for a night before that: reelmill run feeds.audit --date NIGHT"
        )
    last = night or there[-1]
    _, rows = query(
        "SELECT event_date, metric, value, popularity, behind_popularity, comparison, feed_arm, policy_version "
        f"FROM {AUDIT} WHERE event_date <= DATE '{last}' AND event_date > DATE '{last}' - {NIGHTS}",
        settings,
    )
    order = list(MEASURES)
    found = [Audited(day, *_named(metric), *numbers) for day, metric, *numbers in rows]
    return sorted(found, key=lambda one: (one.night, order.index(one.metric), one.depth, one.arm or ""))


def write(found: Sequence[Audited], path: Path) -> None:
    """The page, whole or not at all."""
    with appearing(path) as unfinished:
        unfinished.write_text(page(found), encoding="utf-8")


def page(found: Sequence[Audited]) -> str:
    """The whole page, about the newest of these nights."""
    night = found[-1].night
    tonight = [one for one in found if one.night == night]
    parts = [
        f"<h1>What the feeds of {night} show</h1>",
        f"<p class='note'>Beside what popularity alone would have shown the same viewers. @{DEPTHS[0]} is of the first "
        f"slots of each feed, @{DEPTHS[1]} of all.</p>{_table(tonight)}",
    ]
    # An arm of the same name in another comparison is another arm.
    compared = {one.comparison for one in tonight} | {None}
    for name, measure in MEASURES.items():
        own = [one for one in found if one.metric == name and one.comparison in compared]
        if own:
            parts.append(f"<h2>{escape(measure.words)}</h2>{_bars(name, own, night)}{_nights(name, own)}")
    return document(f"Reelmill: what the feeds of {night} show", "".join(parts))


def _named(metric: str) -> tuple[str, int]:
    name, _, depth = metric.partition("@")
    return name, int(depth)


def _bars(name: str, own: Sequence[Audited], night: date) -> str:
    rows = [(f"{who}@{one.depth}", value, value) for one in own if one.night == night for who, value in one.sides]
    return bars(f"{name}, tonight", rows)


def _nights(name: str, own: Sequence[Audited]) -> str:
    """Curves over nights, where there is more than one."""
    first = own[0].night
    curves: dict[str, list[tuple[int, float]]] = {}
    for one in own:
        for who, value in one.sides:
            if one.depth == DEPTHS[0]:
                curves.setdefault(who, []).append(((one.night - first).days, value))
    drawn: Mapping[str, list[tuple[int, float]]] = {who: curve for who, curve in curves.items() if len(curve) > 1}
    return lines(f"{name}@{DEPTHS[0]} by nights since {first}", "nights", drawn) if drawn else ""


def _table(tonight: Sequence[Audited]) -> str:
    columns, cells = whose(tonight)
    rows = "".join(
        f"<tr><td>{escape(one.words)}</td><td>{one.metric}@{one.depth}</td>"
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in of)}<td>{one.value:.4f}</td>"
        f"<td>{'' if one.popularity is None else f'{one.popularity:.4f}'}</td>"
        f"<td>{one.worse}</td></tr>"
        for one, of in zip(tonight, cells, strict=True)
    )
    head = "".join(f"<th>{name}</th>" for name in ("what", "metric", *columns, "served", "popularity", ""))
    return f"<div class='wide'><table><tr>{head}</tr>{rows}</table></div>"
