"""What the newest ranker is worth, for the person who ran the night.

Belongs here: reading gold.models for the CLI. How the figures come about: train.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import deltalake

from jobs.ranking.model import MODELS
from jobs.settings import Settings


@dataclass(frozen=True)
class RankerReport:
    """The newest ranker's nDCG@10 beside its rivals' on the same groups; `evaluated_from` is where those begin."""

    model_version: str
    event_date: date
    verdict: str
    why: str
    ndcg_at_10: float
    popularity_ndcg_at_10: float
    item_item_ndcg_at_10: float
    in_service_ndcg_at_10: float | None
    evaluated_from: datetime
    evaluated_groups: int
    evaluated_viewers: int


def newest_ranker(settings: Settings) -> RankerReport | None:
    """The newest row of gold.models, without Spark; None while no ranker was trained."""
    layer, name = MODELS.split(".")
    path = str(settings.lake / layer / name)
    if not deltalake.DeltaTable.is_deltatable(path):
        return None
    rows = deltalake.DeltaTable(path).to_pyarrow_table(columns=list(RankerReport.__dataclass_fields__)).to_pylist()
    if not rows:
        return None
    newest = max(rows, key=lambda row: (row["event_date"], row["model_version"]))
    return RankerReport(**{**newest, "evaluated_from": newest["evaluated_from"].astimezone(UTC)})
