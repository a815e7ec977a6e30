"""Rankers as files: written whole or not at all, and read back.

Belongs here: the model store. Training, and the rows of gold.models: train.py. What a file says: rankers/. Whether one
serves: serving.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pyspark.sql import Row
from pyspark.sql import functions as F

from jobs.engine.lake import Lake
from jobs.errors import ReelmillError
from jobs.host.files import appearing
from jobs.ranking.gate import PROMOTED
from jobs.ranking.rankers import lightgbm, registry
from jobs.ranking.rankers.ranker import Model, Ranker

MODELS = "gold.models"
# The ranker that there was before rankers had names: the rows of then have none.
UNNAMED = lightgbm.NAME


class ModelMissing(ReelmillError):
    """gold.models names a ranker whose file is gone."""


@dataclass(frozen=True)
class InService:
    """A promoted model of a ranker; `content` is its whole file, small enough to travel to every task.

    `watches`: how many were known when it was trained; None for a model of before that was written down.
    """

    ranker: Ranker
    version: str
    content: bytes
    trained_until: datetime
    watches: int | None = None

    def load(self) -> Model:
        """The model, ready to score."""
        return self.ranker.load(self.content)


def save(models: Path, path: str, content: bytes) -> None:
    """Write a model's file at its path in the store. The file is whole whenever it can be seen."""
    with appearing(models / path) as unfinished:
        unfinished.write_bytes(content)


def in_service(lake: Lake, before: date, ranker: Ranker) -> InService | None:
    """The newest model of that ranker's name promoted on a night before that day; None when there is none.

    Raises ModelMissing when its file is not there.
    """
    if not lake.exists(MODELS):
        return None
    named = F.coalesce("model_name", F.lit(UNNAMED)) == ranker.name
    promoted = lake.read(MODELS, until=before).where(named & (F.col("verdict") == PROMOTED))
    newest = promoted.orderBy(F.col("event_date").desc(), "model_version").first()
    return _read(lake, newest, ranker) if newest else None


def of_version(lake: Lake, version: str) -> InService | None:
    """The model of that version; None where there is none, or no ranker for it any more. Raises ModelMissing."""
    if not lake.exists(MODELS):
        return None
    row = lake.read(MODELS).where(F.col("model_version") == version).first()
    rankers = {ranker.name: ranker for ranker in registry.RANKERS}
    ranker = rankers.get(row["model_name"] or UNNAMED) if row else None
    return _read(lake, row, ranker) if row and ranker else None


def _read(lake: Lake, row: Row, ranker: Ranker) -> InService:
    path = lake.settings.models / row["path"]
    if not path.exists():
        raise ModelMissing(
            f"The ranker in service, {row['model_version']}, has no file at {path}. Restore it, or train it again: "
            f"reelmill run ranking.train --date {row['event_date']}"
        )
    trained_until = row["trained_until"].astimezone(UTC)
    return InService(ranker, row["model_version"], path.read_bytes(), trained_until, row["watches"])
