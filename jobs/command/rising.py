"""What rises, as a terminal shows it.

Belongs here: `reelmill trending`. What is listed, and why: jobs/features/trending.py.
"""

from __future__ import annotations

from typing import Any

from jobs.command.console import print_json, say, table
from jobs.engine.query import exists, query
from jobs.settings import Settings
from serving.feed_store.shapes import TrendingKind

LISTS = "gold.trending"
COLUMNS = ("rank", "id", "title", "score", "people", "reason")


def rising(settings: Settings, kind: TrendingKind, k: int, as_json: bool) -> None:
    """The first of the newest list of a kind, with titles. An hour in which nothing rose has left none."""
    rows = _newest(settings, kind, k) if exists(LISTS, settings) else []
    if as_json:
        return print_json([dict(zip(("hour_start", *COLUMNS), row, strict=True)) for row in rows])
    if not rows:
        return say(f"No list has any {kind} that rise. `reelmill pipeline hourly` looks at the newest hour.")
    say(f"{kind} that rose last, in the hour from {rows[0][0]:%Y-%m-%d %H:%M} on")
    cells = [
        (str(r), id, title or "", f"{score:.1f}", str(people), why) for _, r, id, title, score, people, why in rows
    ]
    table(COLUMNS, cells, right=(0, 3, 4))


def _newest(settings: Settings, kind: TrendingKind, k: int) -> list[tuple[Any, ...]]:
    return query(
        f"SELECT hour_start, rank, id, title, score, people, list.reason FROM {LISTS} AS list "
        f"LEFT JOIN silver.videos ON kind = '{TrendingKind.VIDEOS}' AND video_id = id "
        f"WHERE kind = '{kind}' AND rank <= {k} AND hour_start = (SELECT max(hour_start) FROM {LISTS}) ORDER BY rank",
        settings,
    )[1]
