"""Makes a model again from what it was trained on, to show that it is that, or because its file is lost.

Belongs here: finding the version of gold.examples that a model came from, and comparing bytes. Training: train.py and
rankers/.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from deltalake.exceptions import DeltaError

from jobs.engine.query import exists, query
from jobs.engine.tables import Tables
from jobs.errors import ReelmillError
from jobs.ranking import model
from jobs.ranking.features import ranker_features
from jobs.ranking.guard_facts import GuardFacts
from jobs.ranking.policy import policy_of
from jobs.ranking.rankers import registry
from jobs.ranking.train import Night, version_of
from jobs.ranking.training_set import EXAMPLES, of_night, ordered, split
from jobs.settings import Settings


class NotRebuilt(ReelmillError):
    """A model cannot be made again, or came out as another one."""


@dataclass(frozen=True)
class Rebuilt:
    """A model that came out again as it was: its file, how large it is, and whether the file was missing."""

    path: Path
    bytes: int
    was_missing: bool
    examples_version: int


def rebuild(settings: Settings, version: str) -> Rebuilt:
    """Train a model again on the very rows that it was trained on, and write its file if that is lost.

    Raises NotRebuilt when the bytes are not the same, or the rows are gone.
    """
    row = _row(settings, version)
    name = row["model_name"] or model.UNNAMED
    ranker = next((ranker for ranker in registry.RANKERS if ranker.name == name), None)
    if ranker is None:
        raise NotRebuilt(f"{version} is a model of {name}, and there is no such ranker any more.")
    night, examples_version = _night(settings, row)
    if version_of(ranker, night) != version:
        raise NotRebuilt(f"{version} was trained with other parameters than those of today: {row['parameters']}.")
    parts = split(night.rows)
    if parts is None:
        raise NotRebuilt(f"The examples of {version} do not reach for a training any more.")
    content = ranker.train(parts, night.features).content
    path = settings.models / row["path"]
    was_missing = not path.exists()
    if was_missing:
        model.save(settings.models, row["path"], content)
    elif path.read_bytes() != content:
        raise NotRebuilt(
            f"{version} came out with other bytes than {path} has: another release of its library, another kind of "
            "processor, or somebody changed the file."
        )
    return Rebuilt(path, len(content), was_missing, examples_version)


def _row(settings: Settings, version: str) -> dict[str, Any]:
    if not Tables.of(settings).is_there(model.MODELS):
        raise NotRebuilt("No model was trained yet.")
    quoted = version.replace("'", "''")
    columns, rows = query(f"SELECT * FROM {model.MODELS} WHERE model_version = '{quoted}'", settings)
    if not rows:
        raise NotRebuilt(f"There is no model {version}. `reelmill models list` names those that there are.")
    return dict(zip(columns, rows[0], strict=True))


def _night(settings: Settings, row: dict[str, Any]) -> tuple[Night, int]:
    """The rows that the model was trained on, and the version of gold.examples that has them."""
    wanted, features, tables = json.loads(row["data"])["sha256"], ranker_features(), Tables.of(settings)
    day: date = row["event_date"]
    for version in _versions(settings, day, tables.version(EXAMPLES)):
        try:
            rows = ordered(of_night(tables.open(EXAMPLES, version), day, features))
        except (DeltaError, FileNotFoundError, KeyError):
            # A version that was cleaned up, or of before a feature that rankers read today.
            continue
        night = Night(day, rows, features, row["watches"] or 0, GuardFacts({}), policy_of(settings))
        if night.digest == wanted:
            return night, version
    raise NotRebuilt(
        f"No version of {EXAMPLES} that is left has the rows that {row['model_version']} was trained on: they were "
        "made again since with other features, or are past their retention."
    )


def _versions(settings: Settings, day: date, newest: int) -> list[int]:
    """The newest version, which may have the night's rows still, then those that the trainings of the night read."""
    if not exists("ops.job_runs", settings):
        return [newest]
    _, rows = query(
        "SELECT DISTINCT r.unnest.version AS version FROM ops.job_runs, unnest(reads) r "
        f"WHERE job = 'ranking.train' AND status = 'succeeded' AND window_start = TIMESTAMPTZ '{day} 00:00:00+00' "
        f"AND r.unnest.\"table\" = '{EXAMPLES}' ORDER BY version DESC",
        settings,
    )
    return list(dict.fromkeys([newest, *(version for (version,) in rows)]))
