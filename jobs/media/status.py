"""What becomes of an upload: the closed list of a video's statuses.

Belongs here: the words of silver.videos.status, and which videos everybody may see. Why a clip is refused: refusals.py.
"""

from __future__ import annotations

from enum import StrEnum

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


class Status(StrEnum):
    """silver.videos.status. A refused clip is REJECTED: the table's word is older than ours."""

    PUBLISHED = "published"
    REJECTED = "rejected"


def published(videos: DataFrame) -> DataFrame:
    """The rows of silver.videos (at least `status`) that are published."""
    return videos.where(F.col("status") == Status.PUBLISHED)
