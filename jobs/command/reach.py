"""A creator's own report of a day, as a terminal shows it: whom their videos reached by what, and what limits them.

Belongs here: `reelmill creator`. What limits videos: jobs/media/visibility.py. How often they were watched in all:
gold.creator_daily.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from jobs.command.console import print_json, say, table
from jobs.engine.query import exists, query
from jobs.settings import Settings

REACH = ("source", "shown", "viewers", "viewed", "liked", "not_interested")
LIMITS = ("video_id", "title", "action", "rule", "why", "until")
# What was shown beside a feed that was built for its viewer: the list for strangers, what rises, a link.
BESIDE = "not a feed of their own"


def report(settings: Settings, creator_id: str, day: date, as_json: bool) -> None:
    """The reach of a creator's videos on a day (UTC) by the source of their slots, and which of them a rule decides."""
    found = {"reach": _reach(settings, creator_id, day), "visibility": _visibility(settings, creator_id, day)}
    if as_json:
        return print_json([{"creator_id": creator_id, "day": day, **found}])
    say(f"videos of {creator_id} on {day}, by what put them before somebody")
    table(REACH, [tuple(map(str, row.values())) for row in found["reach"]], right=(1, 2, 3, 4, 5))
    if not found["visibility"]:
        return say("No rule of visibility decides any of them.")
    table(LIMITS, [tuple("" if cell is None else str(cell) for cell in row.values()) for row in found["visibility"]])


def _reach(settings: Settings, creator_id: str, day: date) -> list[dict[str, Any]]:
    if not exists("silver.impressions", settings):
        return []
    own = "" if not exists("gold.feeds", settings) else (
        "LEFT JOIN gold.feeds AS slot ON slot.user_id = seen.user_id AND slot.video_id = seen.video_id "
        "AND slot.feed_version = seen.feed_version"
    )  # fmt: skip
    source = f"coalesce(slot.source, '{BESIDE}')" if own else f"'{BESIDE}'"
    rows = query(
        f"SELECT {source} AS source, count(*), count(DISTINCT seen.user_id), count(started_at), count(liked_at), "
        f"count(not_interested_at) FROM silver.impressions AS seen JOIN silver.videos AS video USING (video_id) {own} "
        f"WHERE video.user_id = {_text(creator_id)} AND seen.shown_at >= DATE '{day}' "
        f"AND seen.shown_at < DATE '{day}' + 1 GROUP BY 1 ORDER BY 2 DESC, 1",
        settings,
    )[1]
    return [dict(zip(REACH, row, strict=True)) for row in rows]


def _visibility(settings: Settings, creator_id: str, day: date) -> list[dict[str, Any]]:
    if not exists("gold.visibility", settings):
        return []
    rows = query(
        "SELECT rules.video_id, title, action, rule, why, until FROM gold.visibility AS rules "
        "JOIN silver.videos AS video USING (video_id) "
        f"WHERE creator_id = {_text(creator_id)} AND event_date = DATE '{day}' ORDER BY 1",
        settings,
    )[1]
    return [dict(zip(LIMITS, row, strict=True)) for row in rows]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
