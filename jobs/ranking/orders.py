"""The plain orders: what can order a feed without having learned to.

Belongs here: each source's own order and the fusion of all, by the columns that the sources have; and which of them is
the best on some rows, from which a ranker starts. What has learned: rankers/. Which of all serves: serving.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jobs.ranking.features import PRIOR, by_rank, ties
from jobs.ranking.lists import RRF
from jobs.ranking.metrics import ndcg
from jobs.ranking.sources import registry
from jobs.ranking.sources.source import Source
from jobs.ranking.spacing import by_score
from jobs.ranking.training_set import GROUP

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Order:
    """The order of a source, then that of the ties: what a source leaves of a feed, popularity fills.

    Without a source it is the fusion of all: 1 / (RRF + rank), summed over the sources.
    """

    source: Source | None

    @property
    def version(self) -> str:
        """What gold.feeds calls it in the place of a model's version."""
        return f"{self.source.name if self.source else 'fusion'}_order"

    @property
    def kind(self) -> Literal["source", "fusion"]:
        return "source" if self.source else "fusion"

    @property
    def steps(self) -> int:
        """A rank is read, or that of every source."""
        return 1 if self.source else len(registry.SOURCES)

    def load(self) -> Order:
        """Itself, where a model would be read from its file."""
        return self

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """One number for each candidate: the higher, the nearer to the top."""
        if self.source:
            return by_rank(frame, self.source).round(6)
        scores: NDArray[np.float64] = self.contributions(frame).sum(axis=1).to_numpy().round(9)
        return scores

    def start(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """The same order as scores that trees can correct: -log2 of a rank, where nDCG's own discount has its steps.

        For the fusion it is the rank that would give as much if all sources had it. No other row is looked at: a task
        may hold a part of a viewer's candidates only.
        """
        import numpy as np

        if self.source:
            return self.score(frame)
        least = 1 / (RRF + max(source.cap for source in registry.SOURCES) + 1)
        like_rank = len(registry.SOURCES) / np.maximum(self.score(frame), least) - RRF
        return -np.log2(np.maximum(like_rank, 1.0)).round(6)

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What the rank in each source adds to the score."""
        import pandas as pd

        if self.source:
            column = self.source.column("rank")
            return pd.DataFrame({column: by_rank(frame, self.source)}, index=frame.index)
        ranks = frame[[source.column("rank") for source in registry.SOURCES]].astype("float64")
        return (1 / (RRF + ranks)).fillna(0.0)


def plain_orders() -> tuple[Order, ...]:
    """Every order there is to serve or to be beaten."""
    return (*[Order(source) for source in registry.SOURCES], Order(None))


def order_of(version: str) -> Order | None:
    """The plain order of that name; None where this code has none."""
    return next((order for order in plain_orders() if order.version == version), None)


def best_order(rows: pd.DataFrame) -> Order:
    """The plain order with the highest mean nDCG@K on `ordered` rows, whose label is the gain; of equal ones the first.

    The best list of a moment is that of its rows: it is the same for all orders.
    """
    import numpy as np

    lists: NDArray[np.int64] = rows.groupby(GROUP, sort=True).ngroup().to_numpy()
    labels = rows["label"].to_numpy()
    tied = [rows[column].to_numpy(dtype=np.float64, na_value=np.nan) for column in ties()]

    def mean(order: Order) -> float:
        places = by_score(lists, order.score(rows), tied).astype(np.float64)
        return float(ndcg(labels, places, lists).mean().round(9))

    return max(plain_orders(), key=mean)


# What serves where nothing was ever judged: the best source alone on the data that this was measured on.
FIRST = Order(PRIOR)
