"""LightGBM: a lambdarank of small trees that starts from the order of item-item.

Belongs here: its parameters, how it learns, and how a booster and the prior make a score. What it learns from, and what
judges it: jobs/ranking/training_set.py and train.py. Where its file lies: jobs/ranking/model.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.ranking.features import PRIOR, prior
from jobs.ranking.rankers.ranker import Trained
from jobs.ranking.training_set import Split, group_sizes

if TYPE_CHECKING:
    import lightgbm as lgb
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

NAME = "lightgbm"
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
# What trees give to every row alike.
EVERYBODY = "everybody"


class LightGBM:
    """A lambdarank that starts from the prior and stops when the stopping span gets no better. Its rounds are trees."""

    name = NAME
    file = "model.txt"
    parameters = PARAMETERS
    limits = (ROUNDS, PATIENCE)

    def train(self, parts: Split, features: tuple[str, ...]) -> Trained:
        booster = _learned(parts, features)
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        return Trained(text.encode(), booster.best_iteration)

    def load(self, content: bytes) -> Trees:
        import lightgbm as lgb

        return Trees(lgb.Booster(model_str=content.decode()))


@dataclass(frozen=True)
class Trees:
    """A trained booster, whose score is the prior plus what the trees add."""

    booster: lgb.Booster

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        import numpy as np

        added = self.booster.predict(_matrix(frame, self.booster.feature_name()), num_threads=1)
        return np.asarray(np.round(prior(frame) + added, 6), dtype=np.float64)

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """SHAP values of the trees (Lundberg and Lee, "A unified approach to interpreting model predictions", NeurIPS
        2017), what they give to everybody, and the prior, which is what the rank of its source adds before any tree."""
        import numpy as np
        import pandas as pd

        names = self.booster.feature_name()
        added = np.asarray(self.booster.predict(_matrix(frame, names), pred_contrib=True, num_threads=1))
        found = pd.DataFrame(added, columns=[*names, EVERYBODY], index=frame.index)
        start = PRIOR.column("rank")
        found[start] = found.get(start, 0.0) + prior(frame)
        return found


class Grouped(NamedTuple):
    """Rows to learn from or to stop by: the groups of moments lie one after the other, `sizes` rows each.

    `start` is the score that the trees correct; None starts from nothing.
    """

    matrix: NDArray[np.float32]
    labels: NDArray[Any]
    sizes: NDArray[np.int64]
    start: NDArray[np.float64] | None


def grow(
    training: Grouped,
    stopping: Grouped,
    features: Sequence[str],
    parameters: Mapping[str, Any] = PARAMETERS,
    positions: NDArray[np.int64] | None = None,
) -> lgb.Booster:
    """Trees that learn from `training` until `stopping` gets no better; `positions` are the slots of shown rows."""
    import lightgbm as lgb

    learned = _dataset(training, features)
    if positions is not None:
        # What was shown on top was watched because it was on top; the bias of each slot is learned and taken out.
        learned.set_position(positions)
    return lgb.train(
        dict(parameters),
        learned,
        num_boost_round=ROUNDS,
        valid_sets=[_dataset(stopping, features, reference=learned)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )


def _learned(parts: Split, features: tuple[str, ...]) -> lgb.Booster:
    slots = parts.training["position"]
    positions = slots.fillna(-1).astype(int).to_numpy() if slots.notna().any() else None
    return grow(_grouped(parts.training, features), _grouped(parts.stopping, features), features, positions=positions)


def _grouped(rows: pd.DataFrame, features: tuple[str, ...]) -> Grouped:
    return Grouped(_matrix(rows, features), rows["label"].to_numpy(), group_sizes(rows), prior(rows))


def _dataset(rows: Grouped, features: Sequence[str], reference: lgb.Dataset | None = None) -> lgb.Dataset:
    import lightgbm as lgb

    return lgb.Dataset(
        rows.matrix,
        label=rows.labels,
        group=rows.sizes,
        init_score=rows.start,
        feature_name=list(features),
        reference=reference,
    )


def _matrix(frame: pd.DataFrame, features: Sequence[str]) -> NDArray[np.float32]:
    """The features as the ranker reads them, in training and in serving. One that the frame lacks is unknown."""
    import numpy as np

    numbers: NDArray[np.float32] = frame.reindex(columns=list(features)).to_numpy(dtype=np.float32, na_value=np.nan)
    return numbers
