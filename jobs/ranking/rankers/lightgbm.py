"""LightGBM: a lambdarank of small trees that starts from the best plain order.

Belongs here: its parameters, how it learns, and how a booster and its start make a score. The plain orders, and which
of them is the best: jobs/ranking/orders.py. What it learns from, and what
judges it: jobs/ranking/training_set.py and train.py. Where its file lies: jobs/ranking/model.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.errors import ReelmillError
from jobs.ranking.orders import FIRST, Order, best_order, order_of
from jobs.ranking.rankers.ranker import Trained
from jobs.ranking.sources import registry
from jobs.ranking.training_set import Split, group_sizes

if TYPE_CHECKING:
    import lightgbm as lgb
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

NAME = "lightgbm"
# Trees are small and slow to learn, because a start that is already good leaves little to correct.
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
# Rounds that the trees of several folds grow between two looks at what they are worth.
STEP = 10
# What trees give to every row alike.
EVERYBODY = "everybody"
# The first line of a file, before LightGBM's own, names the order that the trees correct. Older files have none: their
# trees correct FIRST.
STARTS_FROM = "starts_from="


class StartGone(ReelmillError):
    """A model corrects an order that this code has no more."""


class LightGBM:
    """A lambdarank that starts from the plain order that is best on the stopping span, and stops when that span gets no
    better. Its rounds are trees.

    A ranker that starts from the best plain order can only learn what improves on it. Learned from nothing, on the few
    thousand moments that a small platform has, it did worse than that order (docs/decisions/0005).
    """

    name = NAME
    file = "model.txt"
    parameters: Mapping[str, Any] = {
        **PARAMETERS,
        "starts_from": "the best plain order of the stopping span",
        "monotone_constraints": "ranks and shares of sources",
    }
    limits = (ROUNDS, PATIENCE)

    def train(self, parts: Split, features: tuple[str, ...]) -> Trained:
        order = best_order(parts.stopping)
        booster = _learned(parts, features, order)
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        return Trained(f"{STARTS_FROM}{order.version}\n{text}".encode(), booster.best_iteration, order.version)

    def load(self, content: bytes) -> Trees:
        """Raises StartGone."""
        import lightgbm as lgb

        text, order = content.decode(), FIRST
        if text.startswith(STARTS_FROM):
            first, text = text.split("\n", 1)
            order = _start_of(first.removeprefix(STARTS_FROM))
        return Trees(lgb.Booster(model_str=text), order)


@dataclass(frozen=True)
class Trees:
    """A trained booster, whose score is that of the plain order that it corrects plus what the trees add."""

    booster: lgb.Booster
    order: Order

    @property
    def steps(self) -> int:
        """The way to the deepest leaf of every tree, and what the order takes."""
        nodes = self.booster.trees_to_dataframe()
        return int((nodes.groupby("tree_index")["node_depth"].max() - 1).sum()) + self.order.steps

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        import numpy as np

        added = self.booster.predict(_matrix(frame, self.booster.feature_name()), num_threads=1)
        return np.asarray(np.round(self.order.start(frame) + added, 6), dtype=np.float64)

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """SHAP values of the trees (Lundberg and Lee, "A unified approach to interpreting model predictions", NeurIPS
        2017), what they give to everybody, and the start: what the rank of its source, or the fusion, adds before any
        tree."""
        import numpy as np
        import pandas as pd

        names = self.booster.feature_name()
        added = np.asarray(self.booster.predict(_matrix(frame, names), pred_contrib=True, num_threads=1))
        found = pd.DataFrame(added, columns=[*names, EVERYBODY], index=frame.index)
        start = self.order.source.column("rank") if self.order.source else self.order.version
        found[start] = found.get(start, 0.0) + self.order.start(frame)
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


def grow_alike(
    rows_of: Callable[[int], tuple[Grouped, Grouped]],
    folds: int,
    features: Sequence[str],
    tell: Callable[[int, int], None],
) -> list[lgb.Booster]:
    """Trees of every fold, from its training and its stopping rows: all of as many rounds as are best for the mean of
    all stopping groups.

    Where each fold stops at its own best, that is one number a fold which its labels liked by chance: worse trees, that
    look better by those labels than they are (docs/decisions/0016).
    """
    import lightgbm as lgb
    import numpy as np

    worth: list[float] = []
    # LightGBM leaves Python alone while it grows trees, on one thread for each fold.
    with ThreadPoolExecutor(min(folds, os.cpu_count() or 1)) as pool:
        growing, groups = zip(*pool.map(lambda fold: _begun(*rows_of(fold), features), range(folds)), strict=True)
        while len(worth) < ROUNDS and (not worth or len(worth) - int(np.argmax(worth)) <= PATIENCE):
            tell(len(worth), ROUNDS)
            worth.extend(np.average(list(pool.map(_step, growing)), axis=0, weights=groups))
    tell(ROUNDS, ROUNDS)
    best = int(np.argmax(worth)) + 1
    return [lgb.Booster(model_str=trees.model_to_string(num_iteration=best)) for trees in growing]


def _begun(training: Grouped, stopping: Grouped, features: Sequence[str]) -> tuple[lgb.Booster, int]:
    """Trees before their first round, and how many groups are to stop them."""
    import lightgbm as lgb

    learned = _dataset(training, features)
    trees = lgb.Booster(dict(PARAMETERS), learned)
    return trees.add_valid(_dataset(stopping, features, reference=learned), "stopping"), len(stopping.sizes)


def _step(trees: lgb.Booster) -> list[float]:
    """Grow STEP rounds: what the stopping rows say after each."""
    worth = []
    for _ in range(STEP):
        trees.update()
        worth.append(trees.eval_valid()[0][2])  # after the names of the rows and of the one metric
    return worth


def _start_of(version: str) -> Order:
    if order := order_of(version):
        return order
    raise StartGone(
        f"A model corrects {version}, and there is no such order any more. Let something else serve: "
        f"reelmill models promote {FIRST.version}"
    )


def _learned(parts: Split, features: tuple[str, ...], order: Order) -> lgb.Booster:
    slots = parts.training["position"]
    positions = slots.fillna(-1).astype(int).to_numpy() if slots.notna().any() else None
    training, stopping = (_grouped(rows, features, order) for rows in (parts.training, parts.stopping))
    return grow(training, stopping, features, {**PARAMETERS, "monotone_constraints": monotone(features)}, positions)


def monotone(features: Sequence[str]) -> list[int]:
    """For each feature, whether more of it may only lower the score (-1), only raise it (1), or either (0).

    A video is never worse for a better rank in a source, or a larger share of its best score. On sparse histories,
    trees that may think otherwise learned noise (docs/decisions/0018).
    """
    lowers = {source.column("rank") for source in registry.SOURCES}
    raises = {source.column("share") for source in registry.SOURCES}
    return [-1 if feature in lowers else int(feature in raises) for feature in features]


def _grouped(rows: pd.DataFrame, features: tuple[str, ...], order: Order) -> Grouped:
    return Grouped(_matrix(rows, features), rows["label"].to_numpy(), group_sizes(rows), order.start(rows))


def _dataset(rows: Grouped, features: Sequence[str], reference: lgb.Dataset | None = None) -> lgb.Dataset:
    import lightgbm as lgb

    return lgb.Dataset(
        rows.matrix,
        label=rows.labels,
        group=rows.sizes,
        init_score=rows.start,
        feature_name=list(features),
        reference=reference,
        # How many threads it uses is one number for the whole process, which every data set sets. Were it another one
        # here than in the trees, a data set would meet more threads than it has room for, and the process would die
        # (LightGBM's issue 7088).
        params={"num_threads": PARAMETERS["num_threads"]},
    )


def _matrix(frame: pd.DataFrame, features: Sequence[str]) -> NDArray[np.float32]:
    """The features as the ranker reads them, in training and in serving. One that the frame lacks is unknown."""
    import numpy as np

    numbers: NDArray[np.float32] = frame.reindex(columns=list(features)).to_numpy(dtype=np.float32, na_value=np.nan)
    return numbers
