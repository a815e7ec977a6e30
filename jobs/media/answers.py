"""What became of uploads, as their creator is told: published, refused, set aside, or still waiting.

Belongs here: looking an upload up in every table where it may have ended. Why a clip is refused: refusals.py. What an
upload may say: the contract of bronze.uploads. Printing: jobs/command/console.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import data_contracts
from jobs.engine.query import exists, query
from jobs.media.status import Status
from jobs.settings import Settings
from serving.landing import Upload

UPLOADS, VIDEOS, SET_ASIDE = "bronze.uploads", "silver.videos", 'quarantine."bronze.uploads"'
Became = Literal["published", "refused", "set aside", "waiting"]
OF_VIDEO: dict[str, Became] = {Status.PUBLISHED: "published", Status.REJECTED: "refused"}


@dataclass(frozen=True)
class Answer:
    """`detail` has the reasons why there is no video, or no sound; `playback_path` is below the media store."""

    upload_id: str
    title: str
    status: Became
    detail: str
    playback_path: str = ""


def answers(uploads: Iterable[Upload], settings: Settings) -> list[Answer]:
    """One answer for each upload, in order."""
    landed = list(uploads)
    ids = ", ".join(f"'{upload.upload_id}'" for upload in landed)
    videos: dict[str, Any] = {}
    if exists(VIDEOS, settings):
        sql = f"SELECT video_id, status, reason, playback_path FROM {VIDEOS} WHERE video_id IN ({ids})"
        videos = {row[0]: (OF_VIDEO[row[1]], row[2] or "", row[3] or "") for row in query(sql, settings)[1]}
    taken_in = set()
    if exists(UPLOADS, settings):
        taken_in = {row[0] for row in query(f"SELECT upload_id FROM {UPLOADS} WHERE upload_id IN ({ids})", settings)[1]}
    set_aside = {}
    if exists(f"quarantine.{UPLOADS}", settings):
        # What its creator mended and handed in again was taken in; the first attempt is still in quarantine.
        key = "json_extract_string(\"row\", '$.upload_id')"
        sql = f"SELECT {key}, flatten(list(rules)) FROM {SET_ASIDE} WHERE {key} IN ({ids}) GROUP BY 1"
        set_aside = {upload_id: ("set aside", _reasons(rules)) for upload_id, rules in query(sql, settings)[1]}
    set_aside = {upload_id: answer for upload_id, answer in set_aside.items() if upload_id not in taken_in}
    became: dict[str, Any] = {**set_aside, **videos}
    return [Answer(u.upload_id, u.title, *became.get(u.upload_id, ("waiting", ""))) for u in landed]


def _reasons(rules: Iterable[str]) -> str:
    described = {rule.name: rule.description for rule in data_contracts.load(UPLOADS).row_rules}
    return "; ".join(f"{rule}: {described.get(rule, 'it is missing')}" for rule in sorted(set(rules)))
