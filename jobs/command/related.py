"""What is similar to a video, as a terminal shows it.

Belongs here: `reelmill similar`. Where lists and vectors come from: jobs/ranking/similar.py and vectors.py.
"""

from __future__ import annotations

from typing import Any

from jobs.command.console import print_json, table
from jobs.engine.query import exists, query
from jobs.errors import ReelmillError
from jobs.ranking import vectors
from jobs.ranking.sources.factors import FACTORS
from jobs.settings import Settings

LISTS = "gold.similar_videos"


class NothingSimilar(ReelmillError):
    """No source knows a video that is similar."""


def similar(settings: Settings, video: str, source: str | None, k: int, as_json: bool) -> None:
    """The nearest videos by each source that keeps lists and by vectors, with titles. Raises NothingSimilar."""
    found = [row for row in _by_lists(settings, video, k) if source in (None, row["source"])]
    if source in (None, FACTORS.name):
        found += _by_vectors(settings, video, k)
    if not found:
        raise NothingSimilar(
            f"No source{f' {source!r}' if source else ''} knows anything similar to the video {video!r} as of the "
            "newest night. `reelmill pipeline nightly` makes the lists, of videos that somebody watched."
        )
    titles = _titles(settings, [row["neighbour_id"] for row in found])
    if as_json:
        return print_json([{**row, "title": titles.get(row["neighbour_id"])} for row in found])
    cells = [
        (r["source"], str(r["rank"]), titles.get(r["neighbour_id"]) or "", r["neighbour_id"], f"{r['score']:.4g}")
        for r in found
    ]
    table(("source", "rank", "title", "video", "score"), cells, right=(1, 4))


def _by_lists(settings: Settings, video: str, k: int) -> list[dict[str, Any]]:
    if not exists(LISTS, settings):
        return []
    columns, rows = query(
        f"SELECT source, rank, neighbour_id, score FROM {LISTS} WHERE video_id = {_quoted(video)} AND rank <= {k} "
        f"AND event_date = (SELECT max(event_date) FROM {LISTS}) ORDER BY source, rank",
        settings,
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _by_vectors(settings: Settings, video: str, k: int) -> list[dict[str, Any]]:
    try:
        near = vectors.vector_search(vectors.get_video_embedding(video, settings), k + 1, settings=settings)
    except vectors.NoVector:
        return []
    others = [one for one in near if one.id != video][:k]
    return [
        {"source": FACTORS.name, "rank": rank, "neighbour_id": one.id, "score": one.score}
        for rank, one in enumerate(others, 1)
    ]


def _titles(settings: Settings, ids: list[str]) -> dict[str, str]:
    wanted = ", ".join(map(_quoted, sorted(set(ids))))
    return dict(query(f"SELECT video_id, title FROM silver.videos WHERE video_id IN ({wanted})", settings)[1])


def _quoted(text: str) -> str:
    """A word of SQL."""
    return "'" + text.replace("'", "''") + "'"
