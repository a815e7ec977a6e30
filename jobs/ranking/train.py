"""Trains tonight's ranker, judges it on the newest examples, and lets it serve or not.

Belongs here: judging it, and the row of gold.models. How it learns: rankers/. What it learns from: examples.py, and
which of it judges: training_set.py. The rule of the gate: gate.py. Where the model lies: model.py.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from jobs.engine.job import Window, job
from jobs.engine.lake import Lake
from jobs.ranking import model
from jobs.ranking.features import prior, ranker_features
from jobs.ranking.gate import Measured, verdict
from jobs.ranking.metrics import ndcg
from jobs.ranking.rankers import lightgbm
from jobs.ranking.rankers.lightgbm import PARAMETERS, PATIENCE, ROUNDS, learn
from jobs.ranking.training_set import EXAMPLES, GROUP, group_sizes, of_night, ordered, split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

WATCHES = "silver.watches"


def train(
    examples: pd.DataFrame, features: tuple[str, ...], day: date, served: model.InService | None, watches: int
) -> Trained | None:
    """Train, judge and describe; None when the examples do not reach for a training and a judgement.

    `watches`: how many are known tonight.
    """
    rows = ordered(examples)
    parts = split(rows, served.trained_until if served else None)
    if parts is None:
        return None
    booster = learn(parts, features)
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    data, fingerprint = _fingerprint(rows, day)
    version = f"{day:%Y%m%d}-{fingerprint[:12]}"
    judged = parts.evaluation
    ours = _mean_ndcg(judged, lightgbm.score(lightgbm.load(text), judged))
    popularity = _mean_ndcg(judged, judged["video__viewers_total"].fillna(0).to_numpy(dtype=float))
    theirs = _mean_ndcg(judged, lightgbm.score(lightgbm.load(served.text), judged)) if served else None
    viewers = judged["user_id"].nunique()
    new = watches - served.watches if served and served.watches is not None else None
    decision, why = verdict(Measured(ours, popularity, theirs, viewers, new))
    row = {
        "model_version": version,
        "event_date": day,
        "verdict": decision,
        "why": why,
        "ndcg_at_10": ours,
        "popularity_ndcg_at_10": popularity,
        "item_item_ndcg_at_10": _mean_ndcg(judged, prior(judged)),
        "in_service_ndcg_at_10": theirs,
        "in_service_version": served.version if served else None,
        "evaluated_from": _utc(judged["at"].min().floor("D")),
        "evaluated_groups": len(judged.drop_duplicates(GROUP)),
        "evaluated_viewers": viewers,
        "trained_until": _utc(parts.stopping["at"].max()),
        "trained_rows": len(parts.training),
        "watches": watches,
        "trees": booster.best_iteration,
        "parameters": json.dumps(PARAMETERS, sort_keys=True),
        "data": json.dumps(data, sort_keys=True),
    }
    return Trained(version, text, row)


@dataclass(frozen=True)
class Trained:
    """A model file's text and its row of gold.models, which lacks only the path."""

    version: str
    text: str
    row: dict[str, Any]


def _mean_ndcg(rows: pd.DataFrame, scores: NDArray[np.float64]) -> float:
    return round(float(ndcg(rows["label"].to_numpy(), scores, group_sizes(rows)).mean()), 6)


def _utc(moment: pd.Timestamp) -> datetime:
    """Spark's frames hold UTC without saying so; a datetime that does not say so would be taken for local time."""
    return moment.tz_localize("UTC").to_pydatetime()  # type: ignore[no-any-return]


def _fingerprint(rows: pd.DataFrame, day: date) -> tuple[dict[str, Any], str]:
    """What was trained on, and a hash of it and the parameters. Delta versions are no use for the latter: a killed run
    that is repeated leaves one version more and the same rows."""
    import pandas as pd

    digest = hashlib.sha256(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()).hexdigest()
    data = {"table": EXAMPLES, "event_date": day.isoformat(), "rows": len(rows), "sha256": digest}
    both = json.dumps([digest, PARAMETERS, ROUNDS, PATIENCE], sort_keys=True)
    return data, hashlib.sha256(both.encode()).hexdigest()


def models_row(lake: Lake, trained: Trained, path: str) -> DataFrame:
    """The row of gold.models as a DataFrame of the contract's columns."""
    import data_contracts

    columns = data_contracts.load(model.MODELS).columns
    schema = ", ".join(f"`{c.name}` {c.type}" for c in columns)
    row = {**trained.row, "path": path}
    return lake.spark.createDataFrame([tuple(row[c.name] for c in columns)], schema)


@job(every="night", reads=[EXAMPLES, WATCHES, model.MODELS], writes=[model.MODELS])
def run(lake: Lake, window: Window) -> None:
    """Without enough examples there is no model tonight, and the feeds keep the order they had: no failure."""
    if not lake.exists(EXAMPLES):
        return
    features = ranker_features()
    examples = of_night(lake, window.day, features)
    if examples.empty:
        return
    watches = lake.read(WATCHES, until=window.end).count()
    trained = train(examples, features, window.day, model.in_service(lake, before=window.day), watches)
    if trained is None:
        return
    path = model.save(lake.settings.models, trained.version, trained.text)
    lake.replace(model.MODELS, models_row(lake, trained, path), window)
