"""Rankers as files: written whole or not at all, and read back.

Belongs here: the model store. Which model serves: gold.models, see in_service. Training: train.py. What a file says:
rankers/.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pyspark.sql import functions as F

from jobs.engine.lake import Lake
from jobs.errors import ReelmillError
from jobs.host.files import appearing
from jobs.ranking.gate import PROMOTED

MODELS = "gold.models"


class ModelMissing(ReelmillError):
    """gold.models names a ranker whose file is gone."""


@dataclass(frozen=True)
class InService:
    """A promoted ranker; `text` is the whole LightGBM model, small enough to travel to every task.

    `watches`: how many were known when it was trained; None for a ranker of before that was written down.
    """

    version: str
    text: str
    trained_until: datetime
    watches: int | None = None


def save(models: Path, version: str, text: str) -> str:
    """Write the model file; returns its path relative to the store. The file is whole whenever it can be seen."""
    path = models / version / "model.txt"
    with appearing(path) as unfinished:
        unfinished.write_text(text)
    return str(path.relative_to(models))


def in_service(lake: Lake, before: date) -> InService | None:
    """The newest ranker promoted on a night before that day. Raises ModelMissing when its file is not there."""
    if not lake.exists(MODELS):
        return None
    promoted = lake.read(MODELS, until=before).where(F.col("verdict") == PROMOTED)
    newest = promoted.orderBy(F.col("event_date").desc(), "model_version").first()
    if newest is None:
        return None
    path = lake.settings.models / newest["path"]
    if not path.exists():
        raise ModelMissing(
            f"The ranker in service, {newest['model_version']}, has no file at {path}. Restore it, or train it again: "
            f"reelmill run ranking.train --date {newest['event_date']}"
        )
    trained_until = newest["trained_until"].astimezone(UTC)
    # A table that was made before the column has it from its next commit on.
    return InService(newest["model_version"], path.read_text(), trained_until, newest.asDict().get("watches"))
