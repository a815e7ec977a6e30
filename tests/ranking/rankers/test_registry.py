"""Several rankers side by side: one more is one class, and each is trained, judged and put in service by its name."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import data_contracts
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.ranking import train
from jobs.ranking.model import MODELS, ModelMissing, in_service, save
from jobs.ranking.rankers import registry
from jobs.ranking.rankers.lightgbm import PARAMETERS, PATIENCE, ROUNDS, LightGBM
from jobs.ranking.rankers.ranker import Trained
from jobs.ranking.train import Judged, Night, version_of
from jobs.ranking.training_set import EXAMPLES, Split, ordered

DAY = date(2024, 3, 20)
TOMORROW = DAY + timedelta(days=1)
LIGHTGBM = LightGBM()


@dataclass(frozen=True)
class Column:
    """Orders by one column, the smallest number first, and has nothing to learn."""

    column: str
    file = "column.json"
    limits = ()

    @property
    def name(self) -> str:
        return f"by_{self.column}"

    @property
    def parameters(self) -> dict[str, str]:
        return {"column": self.column}

    def train(self, parts: Split, features: tuple[str, ...]) -> Trained:
        return Trained(json.dumps(self.parameters).encode(), rounds=0)

    def load(self, content: bytes) -> "Column":
        return Column(**json.loads(content))

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = -frame[self.column].to_numpy(dtype=np.float64)
        return scores


GOOD, BAD = Column("popular_rank"), Column("days_since_published")


class Killed(Column):
    """Dies in the middle of a night, after the rankers before it were trained."""

    def train(self, parts: Split, features: tuple[str, ...]) -> Trained:
        raise KeyboardInterrupt


@pytest.fixture
def two_nights(lake: Lake, examples: pd.DataFrame, watches_of: Callable[..., DataFrame]) -> Lake:
    """Examples of two nights, and a watch more on the second: popular_rank tells the label, as does a feature that
    LightGBM learns from; days_since_published tells its contrary."""
    newest = examples[examples["at"] >= "2024-03-15"].drop(columns="position")
    label = newest["label"]
    known = newest.rename(columns={"hint": "fresh_score"}).assign(
        popular_rank=5 - label, days_since_published=label.astype(float), video__viewers_total=0
    )
    contract = data_contracts.load(EXAMPLES)
    for later, night in enumerate((DAY, TOMORROW)):
        moved = known.assign(
            event_date=night,
            at=known["at"] + pd.Timedelta(days=later),
            shown_at=known["shown_at"] + pd.Timedelta(days=later),
        )
        absent = {c.name: F.lit(None).cast(c.type) for c in contract.columns if c.name not in moved}
        rows = lake.spark.createDataFrame(moved).withColumns(absent)
        lake.merge(EXAMPLES, rows.select(*[F.col(c.name).cast(c.type) for c in contract.columns]))
        lake.merge("silver.watches", watches_of(("u0", "v0", datetime.combine(night, time(), UTC))))
    return lake


@pytest.fixture
def served(lake: Lake, examples: pd.DataFrame) -> Judged:
    """A model of LightGBM that serves from DAY on."""
    judged = train.train(LIGHTGBM, Night(DAY, ordered(examples), ("item_item_rank", "hint"), watches=9), served=None)
    assert judged is not None and judged.row["verdict"] == "promoted"
    save(lake.settings.models, judged.row["path"], judged.content)
    lake.replace(MODELS, rows_of(lake.spark, MODELS, [judged.row]), Window.of_day(DAY))
    return judged


def _rows(lake: Lake, night: date) -> dict[str, dict[str, Any]]:
    """The rows of gold.models of one night, by name."""
    found = lake.read(MODELS, since=night, until=night + timedelta(days=1)).collect()
    named = {row["model_name"]: row.asDict() for row in found}
    assert len(named) == len(found)
    return named


def _train(lake: Lake, night: date) -> dict[str, dict[str, Any]]:
    train.run(lake, Window.of_day(night))
    return _rows(lake, night)


def test_one_more_ranker_is_trained_judged_and_in_service_by_itself(
    two_nights: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _train(two_nights, DAY)
    assert {name: row["verdict"] for name, row in alone.items()} == {"lightgbm": "promoted"}

    monkeypatch.setattr(registry, "RANKERS", (*registry.RANKERS, GOOD, BAD))
    first = _train(two_nights, DAY)
    verdicts = {name: row["verdict"] for name, row in first.items()}
    assert verdicts == {"lightgbm": "promoted", GOOD.name: "promoted", BAD.name: "rejected"}
    # The others change nothing of what LightGBM is and serves.
    assert first["lightgbm"] == alone["lightgbm"]
    mine, theirs = in_service(two_nights, TOMORROW, LIGHTGBM), in_service(two_nights, TOMORROW, GOOD)
    assert mine is not None and mine.version == first["lightgbm"]["model_version"]
    assert theirs is not None and theirs.version == first[GOOD.name]["model_version"]
    assert theirs.load().score(pd.DataFrame({"popular_rank": [3, 1]})).tolist() == [-3.0, -1.0]
    assert in_service(two_nights, TOMORROW, BAD) is None

    second = _train(two_nights, TOMORROW)
    against = {name: row["in_service_version"] for name, row in second.items()}
    assert against == {"lightgbm": mine.version, GOOD.name: theirs.version, BAD.name: None}
    assert second[GOOD.name]["ndcg_at_10"] == second[GOOD.name]["in_service_ndcg_at_10"] == 1.0
    assert second[GOOD.name]["verdict"] == "rejected"


def test_a_killed_night_that_is_repeated_has_one_row_for_each_name(
    two_nights: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "RANKERS", (LIGHTGBM, GOOD, Killed("fresh_rank")))
    with pytest.raises(KeyboardInterrupt):
        _train(two_nights, DAY)
    assert not two_nights.exists(MODELS)
    monkeypatch.setattr(registry, "RANKERS", (LIGHTGBM, GOOD))
    once = _train(two_nights, DAY)
    assert set(once) == {"lightgbm", GOOD.name}
    assert _train(two_nights, DAY) == once


def test_models_of_before_rankers_had_names_go_on_serving_as_lightgbm(lake: Lake, served: Judged) -> None:
    older = lake.read(MODELS).drop("model_name").localCheckpoint()
    older.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(lake.tables.uri(MODELS))
    later = Lake(lake.spark, lake.settings)
    found = in_service(later, TOMORROW, LIGHTGBM)
    assert found is not None
    assert (found.version, found.content) == (served.row["model_version"], served.content)
    assert in_service(later, TOMORROW, GOOD) is None


def test_a_model_whose_file_is_gone_is_named_with_the_night_to_repeat(lake: Lake, served: Judged) -> None:
    (lake.settings.models / served.row["path"]).unlink()
    with pytest.raises(ModelMissing, match=r"reelmill run ranking\.train --date 2024-03-20"):
        in_service(lake, TOMORROW, LIGHTGBM)


def test_versions_are_apart_for_each_name_and_as_they_were_for_lightgbm(examples: pd.DataFrame) -> None:
    @dataclass(frozen=True)
    class Named:
        name: str
        file = LIGHTGBM.file
        parameters = LIGHTGBM.parameters
        limits = LIGHTGBM.limits
        train = LIGHTGBM.train
        load = LIGHTGBM.load

    night = Night(DAY, ordered(examples), ("item_item_rank", "hint"), watches=9)
    unnamed = json.dumps([night.digest, PARAMETERS, ROUNDS, PATIENCE], sort_keys=True).encode()
    assert version_of(LIGHTGBM, night) == f"20240320-{hashlib.sha256(unnamed).hexdigest()[:12]}"
    assert len({version_of(ranker, night) for ranker in (LIGHTGBM, Named("one"), Named("two"))}) == 3


def test_every_ranker_has_a_name_of_its_own() -> None:
    names = [ranker.name for ranker in registry.RANKERS]
    assert len(names) == len(set(names))
