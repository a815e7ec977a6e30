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
    """A measure of a night's feeds, of so many first slots of each; None of popularity where it proposed nothing."""

    night: date
    metric: str
    depth: int
    value: float
    popularity: float | None
    behind: float | None

    @property
    def words(self) -> str:
        return MEASURES[self.metric].words

    @property
    def worse(self) -> str:
        """By how much it is worse than popularity's, in words; empty where it is not, to the percent."""
        return f"worse by {self.behind:.0%}" if round(self.behind or 0, 2) else ""


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
        f"SELECT event_date, metric, value, popularity, behind_popularity FROM {AUDIT} "
        f"WHERE event_date <= DATE '{last}' AND event_date > DATE '{last}' - {NIGHTS}",
        settings,
    )
    order = list(MEASURES)
    found = [Audited(day, *_named(metric), *numbers) for day, metric, *numbers in rows]
    return sorted(found, key=lambda one: (one.night, order.index(one.metric), one.depth))


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
    for name, measure in MEASURES.items():
        own = [one for one in found if one.metric == name]
        if own:
            parts.append(f"<h2>{escape(measure.words)}</h2>{_bars(name, own, night)}{_nights(name, own)}")
    return document(f"Reelmill: what the feeds of {night} show", "".join(parts))


def _named(metric: str) -> tuple[str, int]:
    name, _, depth = metric.partition("@")
    return name, int(depth)


def _bars(name: str, own: Sequence[Audited], night: date) -> str:
    rows = [
        (f"{who}@{one.depth}", value, value)
        for one in own
        if one.night == night
        for who, value in ((SERVED, one.value), (POPULARITY, one.popularity))
        if value is not None
    ]
    return bars(f"{name}, tonight", rows)


def _nights(name: str, own: Sequence[Audited]) -> str:
    """Curves over nights, where there is more than one."""
    first = own[0].night
    curves: dict[str, list[tuple[int, float]]] = {}
    for one in own:
        for who, value in ((SERVED, one.value), (POPULARITY, one.popularity)):
            if one.depth == DEPTHS[0] and value is not None:
                curves.setdefault(who, []).append(((one.night - first).days, value))
    drawn: Mapping[str, list[tuple[int, float]]] = {who: curve for who, curve in curves.items() if len(curve) > 1}
    return lines(f"{name}@{DEPTHS[0]} by nights since {first}", "nights", drawn) if drawn else ""


def _table(tonight: Sequence[Audited]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.words)}</td><td>{one.metric}@{one.depth}</td><td>{one.value:.4f}</td>"
        f"<td>{'' if one.popularity is None else f'{one.popularity:.4f}'}</td>"
        f"<td>{one.worse}</td></tr>"
        for one in tonight
    )
    head = "<tr><th>what</th><th>metric</th><th>served</th><th>popularity</th><th></th></tr>"
    return f"<div class='wide'><table>{head}{rows}</table></div>"
