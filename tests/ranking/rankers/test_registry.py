"""Several rankers side by side: one more is one class, all are trained and judged, and the best of them serves."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import data_contracts
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.ranking import train
from jobs.ranking.guard_facts import GuardFacts
from jobs.ranking.model import MODELS, InService, ModelMissing, in_service, save
from jobs.ranking.orders import plain_orders
from jobs.ranking.policy import OURS, read
from jobs.ranking.rankers import registry
from jobs.ranking.rankers.lightgbm import PATIENCE, ROUNDS, LightGBM
from jobs.ranking.rankers.ranker import Trained
from jobs.ranking.serving import VERDICTS, serving
from jobs.ranking.train import Challenger, Night, version_of
from jobs.ranking.training_set import EXAMPLES, Split, ordered
from jobs.settings import Settings
from tests.ranking.conftest import Make, drawn_examples

DAY = date(2024, 3, 20)
TOMORROW = DAY + timedelta(days=1)
LIGHTGBM = LightGBM()


@dataclass(frozen=True)
class Column:
    """Orders by one column, the smallest number first, and has nothing to learn."""

    column: str
    file = "column.json"
    limits = ()
    steps = 1

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

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        return -frame[[self.column]]


GOOD, BAD = Column("days_since_published"), Column("fresh_rank")


class Killed(Column):
    """Dies in the middle of a night, after the rankers before it were trained."""

    def train(self, parts: Split, features: tuple[str, ...]) -> Trained:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, watches_of: Make, videos_of: Make) -> Lake:
    """What `two_nights` is a copy of. No test may change it."""
    lake = Lake(spark, Settings(home=tmp_path_factory.mktemp("made")))
    examples = drawn_examples()
    newest = examples[examples["at"] >= "2024-03-15"].drop(columns="position")
    label = newest["label"]
    known = newest.rename(columns={"hint": "fresh_score"}).assign(
        days_since_published=5.0 - label, fresh_rank=newest["popular_rank"], video__viewers_total=0
    )
    contract = data_contracts.load(EXAMPLES)
    for later, night in enumerate((DAY, TOMORROW)):
        moved = known.assign(
            event_date=night,
            is_judging=known["at"] == known["at"].max(),
            at=known["at"] + pd.Timedelta(days=later),
            shown_at=known["shown_at"] + pd.Timedelta(days=later),
        )
        absent = {c.name: F.lit(None).cast(c.type) for c in contract.columns if c.name not in moved}
        rows = lake.spark.createDataFrame(moved).withColumns(absent)
        lake.merge(EXAMPLES, rows.select(*[F.col(c.name).cast(c.type) for c in contract.columns]))
        lake.merge("silver.watches", watches_of(("u0", "v0", datetime.combine(night, time(), UTC))))
    lake.merge("silver.videos", videos_of(*[(f"v{n}",) for n in range(6)]))
    return lake


@pytest.fixture
def two_nights(made: Lake, tmp_path: Path) -> Lake:
    """Examples of two nights, and a watch more on the second: days_since_published tells the label, as does less well a
    feature that LightGBM learns from; fresh_rank tells nothing."""
    shutil.copytree(made.settings.lake, tmp_path / "home" / "lake")
    return Lake(made.spark, Settings(home=tmp_path / "home"))


@pytest.fixture
def served(lake: Lake, examples: pd.DataFrame) -> Challenger:
    """A model of LightGBM that was promoted on DAY, before there were verdicts."""
    judged = train.train(_night(examples), last=None)
    assert judged is not None and judged.models[0]["verdict"] == "promoted"
    (one,) = judged.challengers
    save(lake.settings.models, one.path, one.trained.content)
    lake.replace(MODELS, rows_of(lake.spark, MODELS, judged.models), Window.of_day(DAY))
    return one


def _night(examples: pd.DataFrame) -> Night:
    facts = GuardFacts(dict.fromkeys(examples["video_id"], "maker"))
    return Night(DAY, ordered(examples), ("item_item_rank", "hint"), 9, facts, read(OURS))


def _serves(lake: Lake, day: date) -> str | None:
    """What orders the feeds of the night after that day's verdict."""
    last = serving(lake, day + timedelta(days=1))
    return last.system.version if last else None


def _rows(lake: Lake, night: date) -> dict[str, dict[str, Any]]:
    """The rows of gold.models of one night, by name."""
    found = lake.read(MODELS, since=night, until=night + timedelta(days=1)).collect()
    named = {row["model_name"]: row.asDict() for row in found}
    assert len(named) == len(found)
    return named


def _train(lake: Lake, night: date) -> dict[str, dict[str, Any]]:
    train.run(lake, Window.of_day(night))
    return _rows(lake, night)


def test_one_more_ranker_is_trained_and_judged_beside_the_others_and_the_best_serves(
    two_nights: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _train(two_nights, DAY)
    assert {name: row["verdict"] for name, row in alone.items()} == {"lightgbm": "promoted"}
    assert _serves(two_nights, DAY) == alone["lightgbm"]["model_version"]

    monkeypatch.setattr(registry, "RANKERS", (*registry.RANKERS, GOOD, BAD))
    first = _train(two_nights, DAY)
    verdicts = {name: row["verdict"] for name, row in first.items()}
    assert verdicts == {"lightgbm": "rejected", GOOD.name: "promoted", BAD.name: "rejected"}
    assert _serves(two_nights, DAY) == first[GOOD.name]["model_version"]
    # The others change nothing of what LightGBM is.
    same = ("model_version", "ndcg_at_10", "trees")
    assert [first["lightgbm"][name] for name in same] == [alone["lightgbm"][name] for name in same]

    second = _train(two_nights, TOMORROW)
    assert {row["in_service_version"] for row in second.values()} == {first[GOOD.name]["model_version"]}
    assert second[GOOD.name]["ndcg_at_10"] == second[GOOD.name]["in_service_ndcg_at_10"] == 1.0
    assert second[GOOD.name]["verdict"] == "rejected"
    assert _serves(two_nights, TOMORROW) == first[GOOD.name]["model_version"]


def test_the_record_of_a_night_says_of_every_system_what_it_is_and_which_serves(two_nights: Lake) -> None:
    (row,) = _train(two_nights, DAY).values()
    found = two_nights.read(VERDICTS).collect()
    assert {(r.system, r.kind) for r in found} == {
        *[(order.version, order.kind) for order in plain_orders()], (row["model_version"], "challenger")
    }  # fmt: skip
    (serves,) = [r for r in found if r.is_serving]
    assert (serves.system, serves.difference, serves.viewers) == (row["model_version"], 0.0, 100)
    assert serves.why == row["why"]
    _train(two_nights, TOMORROW)
    later = two_nights.read(VERDICTS, since=TOMORROW).where("is_serving").collect()
    assert [(r.system, r.kind) for r in later] == [(row["model_version"], "champion")]


def test_a_killed_night_that_is_repeated_has_one_row_for_each_name(
    two_nights: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "RANKERS", (LIGHTGBM, GOOD, Killed("fresh_rank")))
    with pytest.raises(KeyboardInterrupt):
        _train(two_nights, DAY)
    assert not two_nights.exists(MODELS) and _serves(two_nights, DAY) is None
    monkeypatch.setattr(registry, "RANKERS", (LIGHTGBM, GOOD))
    once = _train(two_nights, DAY)
    assert set(once) == {"lightgbm", GOOD.name}
    assert _train(two_nights, DAY) == once


def test_models_of_before_there_were_names_and_verdicts_go_on_serving(lake: Lake, served: Challenger) -> None:
    older = lake.read(MODELS).drop("model_name").localCheckpoint()
    older.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(lake.tables.uri(MODELS))
    later = Lake(lake.spark, lake.settings)
    found = serving(later, TOMORROW)
    assert found is not None and isinstance(found.system, InService)
    assert (found.system.version, found.system.content) == (served.version, served.trained.content)
    assert in_service(later, TOMORROW, GOOD) is None


def test_a_model_whose_file_is_gone_is_named_with_the_night_to_repeat(lake: Lake, served: Challenger) -> None:
    (lake.settings.models / served.path).unlink()
    with pytest.raises(ModelMissing, match=r"reelmill run ranking\.train --date 2024-03-20"):
        serving(lake, TOMORROW)


def test_versions_are_apart_for_each_name_and_as_they_were_for_lightgbm(examples: pd.DataFrame) -> None:
    @dataclass(frozen=True)
    class Named:
        name: str
        file = LIGHTGBM.file
        parameters = LIGHTGBM.parameters
        limits = LIGHTGBM.limits
        train = LIGHTGBM.train
        load = LIGHTGBM.load

    night = _night(examples)
    unnamed = json.dumps([night.digest, LIGHTGBM.parameters, ROUNDS, PATIENCE], sort_keys=True).encode()
    assert version_of(LIGHTGBM, night) == f"20240320-{hashlib.sha256(unnamed).hexdigest()[:12]}"
    assert len({version_of(ranker, night) for ranker in (LIGHTGBM, Named("one"), Named("two"))}) == 3


def test_every_ranker_has_a_name_of_its_own() -> None:
    names = [ranker.name for ranker in registry.RANKERS]
    assert len(names) == len(set(names))
