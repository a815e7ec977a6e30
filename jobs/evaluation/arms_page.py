"""What a comparison of arms came to, as one page of HTML with pictures, which needs no network.

Belongs here: what stands on that page, and the days that are read for it from gold.arm_daily. The figures:
jobs/feeds/compare.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from jobs.engine.query import query
from jobs.evaluation.charts import intervals, lines
from jobs.evaluation.page import document
from jobs.feeds.arms import CONTROL
from jobs.feeds.compare import ARMS, METRICS
from jobs.host.files import appearing
from jobs.ranking.intervals import Interval
from jobs.settings import Settings

Daily = Mapping[tuple[str, str], Sequence[tuple[date, float]]]


def daily(comparison: str, settings: Settings) -> Daily:
    """The value of each day, by metric and arm."""
    wanted = f"SELECT metric, feed_arm, event_date, value FROM {ARMS} WHERE comparison = '{comparison}'"
    found: dict[tuple[str, str], list[tuple[date, float]]] = {}
    for metric, arm, day, value in query(f"{wanted} AND value IS NOT NULL ORDER BY event_date", settings)[1]:
        found.setdefault((metric, arm), []).append((day, value))
    return found


def write(comparison: str, rows: Sequence[dict[str, Any]], days: Daily, path: Path) -> None:
    """The page, whole or not at all."""
    with appearing(path) as unfinished:
        unfinished.write_text(page(comparison, rows, days), encoding="utf-8")


def page(comparison: str, rows: Sequence[dict[str, Any]], days: Daily) -> str:
    """The whole page: `rows` are of all days together."""
    parts = [
        f"<h1>{escape(comparison)}</h1><p class='note'>Each arm less the control over all days, with intervals of "
        "95 % over viewers; and the value of each day.</p>"
    ]
    for name, metric in METRICS.items():
        gaps = [
            (row["feed_arm"], Interval(row["difference"], row["low"], row["high"]))
            for row in rows
            if row["metric"] == name and row["difference"] is not None
        ]
        parts.append(f"<h2>{escape(metric.words)}</h2>")
        if gaps:
            parts.append(intervals(f"{name}, less {CONTROL}", gaps))
        parts.append(_days(name, {arm: values for (of, arm), values in days.items() if of == name}))
    return document(f"Reelmill: {comparison}", "".join(parts))


def _days(name: str, by_arm: Mapping[str, Sequence[tuple[date, float]]]) -> str:
    """Curves over days, where there is more than one."""
    drawn = {arm: values for arm, values in by_arm.items() if len(values) > 1}
    if not drawn:
        return ""
    first = min(values[0][0] for values in drawn.values())
    curves = {arm: [((day - first).days, value) for day, value in values] for arm, values in drawn.items()}
    return lines(f"{name} by days since {first}", "days", curves)
