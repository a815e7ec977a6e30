"""Trains tonight's ranker, judges it on the newest examples, and lets it serve or not.

Belongs here: LightGBM and the row of gold.models. What it learns from: examples.py, and which of it judges:
training_set.py. The rule of the gate: gate.py. Where the model lies: model.py.
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
from jobs.ranking.training_set import EXAMPLES, GROUP, Split, of_night, ordered, split

if TYPE_CHECKING:
    import lightgbm as lgb
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# Trees are small and slow to learn, because a prior that is already good leaves little to correct.
PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [10],
    "label_gain": [0, 1, 2, 3, 4],
    "lambdarank_truncation_level": 20,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "lambda_l2": 10.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "seed": 1,
    # The same data gives the same trees: floating-point sums depend on the layout.
    "deterministic": True,
    "force_row_wise": True,
    # One thread: at this size a second one waits more than it works, above all where Spark has the cores.
    "num_threads": 1,
    "verbose": -1,
}
ROUNDS, PATIENCE = 400, 50
WATCHES = "silver.watches"


def learn(parts: Split, features: tuple[str, ...]) -> lgb.Booster:
    """A LightGBM lambdarank that starts from the prior and stops when the stopping span gets no better."""
    import lightgbm as lgb

    training = _dataset(parts.training, features)
    if parts.training["position"].notna().any():
        # What was shown on top was watched because it was on top; the bias of each slot is learned and taken out.
        training.set_position(parts.training["position"].fillna(-1).astype(int).to_numpy())
    stopping = _dataset(parts.stopping, features, reference=training)
    return lgb.train(
        PARAMETERS,
        training,
        num_boost_round=ROUNDS,
        valid_sets=[stopping],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )


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
    ours = _mean_ndcg(judged, model.score(model.load(text), judged))
    popularity = _mean_ndcg(judged, judged["video__viewers_total"].fillna(0).to_numpy(dtype=float))
    theirs = _mean_ndcg(judged, model.score(model.load(served.text), judged)) if served else None
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


def _dataset(rows: pd.DataFrame, features: tuple[str, ...], reference: lgb.Dataset | None = None) -> lgb.Dataset:
    import lightgbm as lgb

    return lgb.Dataset(
        model.matrix(rows, features),
        label=rows["label"].to_numpy(),
        group=_sizes(rows),
        init_score=prior(rows),
        feature_name=list(features),
        reference=reference,
    )


def _sizes(rows: pd.DataFrame) -> NDArray[np.int64]:
    sizes: NDArray[np.int64] = rows.groupby(GROUP, sort=True).size().to_numpy()
    return sizes


def _mean_ndcg(rows: pd.DataFrame, scores: NDArray[np.float64]) -> float:
    return round(float(ndcg(rows["label"].to_numpy(), scores, _sizes(rows)).mean()), 6)


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
