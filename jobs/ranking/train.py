"""Trains tonight's rankers, judges each on the newest examples, and lets it serve or not.

Belongs here: judging a ranker, and its row of gold.models. How each learns: rankers/. What they learn from:
examples.py, and which of it judges: training_set.py. The rule of the gate: gate.py. Where the models lie: model.py.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.engine.frames import rows_of
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.ranking import model
from jobs.ranking.features import prior, ranker_features
from jobs.ranking.gate import Measured, verdict
from jobs.ranking.metrics import ndcg
from jobs.ranking.rankers import registry
from jobs.ranking.rankers.ranker import Ranker
from jobs.ranking.training_set import EXAMPLES, GROUP, group_sizes, of_night, ordered, split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

WATCHES = "silver.watches"


@dataclass(frozen=True)
class Night:
    """What every ranker of a night learns from: `ordered` examples, their features, and how many watches there are."""

    day: date
    rows: pd.DataFrame
    features: tuple[str, ...]
    watches: int

    @cached_property
    def digest(self) -> str:
        """A hash of the examples. Delta versions are no use for one: a killed run that is repeated leaves one version
        more and the same rows."""
        import pandas as pd

        hashes = pd.util.hash_pandas_object(self.rows, index=False)
        return hashlib.sha256(hashes.to_numpy().tobytes()).hexdigest()


@dataclass(frozen=True)
class Judged:
    """A trained ranker: the content of its file, and its row of gold.models, which names the file."""

    content: bytes
    row: dict[str, Any]


def train(ranker: Ranker, night: Night, served: model.InService | None) -> Judged | None:
    """Train, judge and describe one; None when the examples do not reach for a training and a judgement.

    `served` is the model of the same name that is in service.
    """
    parts = split(night.rows, served.trained_until if served else None)
    if parts is None:
        return None
    trained = ranker.train(parts, night.features)
    judged = parts.evaluation
    # Read back from the bytes, since that is what will serve.
    ours = _mean_ndcg(judged, ranker.load(trained.content).score(judged))
    popularity = _mean_ndcg(judged, judged["video__viewers_total"].fillna(0).to_numpy(dtype=float))
    theirs = _mean_ndcg(judged, served.load().score(judged)) if served else None
    viewers = judged["user_id"].nunique()
    new = night.watches - served.watches if served and served.watches is not None else None
    decision, why = verdict(Measured(ours, popularity, theirs, viewers, new))
    version = version_of(ranker, night)
    data = {"table": EXAMPLES, "event_date": night.day.isoformat(), "rows": len(night.rows), "sha256": night.digest}
    row = {
        "model_version": version,
        "model_name": ranker.name,
        "event_date": night.day,
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
        "watches": night.watches,
        "trees": trained.rounds,
        "parameters": json.dumps(ranker.parameters, sort_keys=True),
        "data": json.dumps(data, sort_keys=True),
        "path": f"{version}/{ranker.file}",
    }
    return Judged(trained.content, row)


def version_of(ranker: Ranker, night: Night) -> str:
    """The night and a hash of what makes the model what it is: the same training gives the same version."""
    # The versions of the ranker that was there before rankers had names hash none.
    name = [] if ranker.name == model.UNNAMED else [ranker.name]
    made_of = json.dumps([night.digest, ranker.parameters, *ranker.limits, *name], sort_keys=True)
    return f"{night.day:%Y%m%d}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"


def _mean_ndcg(rows: pd.DataFrame, scores: NDArray[np.float64]) -> float:
    return round(float(ndcg(rows["label"].to_numpy(), scores, group_sizes(rows)).mean()), 6)


def _utc(moment: pd.Timestamp) -> datetime:
    """Spark's frames hold UTC without saying so; a datetime that does not say so would be taken for local time."""
    return moment.tz_localize("UTC").to_pydatetime()  # type: ignore[no-any-return]


@job(every="night", reads=[EXAMPLES, WATCHES, model.MODELS], writes=[model.MODELS])
def run(lake: Lake, window: Window) -> None:
    """Without enough examples there is no model tonight, and the feeds keep the order they had: no failure."""
    if not lake.exists(EXAMPLES):
        return
    features = ranker_features()
    rows = ordered(of_night(lake, window.day, features))
    if rows.empty:
        return
    night = Night(window.day, rows, features, lake.read(WATCHES, until=window.end).count())
    tried = [train(ranker, night, model.in_service(lake, window.day, ranker)) for ranker in registry.RANKERS]
    judged = [one for one in tried if one is not None]
    if not judged:
        return
    # The files before the rows that name them, and all rows in one commit.
    for one in judged:
        model.save(lake.settings.models, one.row["path"], one.content)
    lake.replace(model.MODELS, rows_of(lake.spark, model.MODELS, [one.row for one in judged]), window)
