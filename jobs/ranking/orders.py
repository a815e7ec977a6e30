"""The plain orders: what can order a feed without having learned to.

Belongs here: each source's own order and the fusion of all, by the columns that the sources have. What has learned:
rankers/. Which of all serves: serving.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jobs.ranking.features import PRIOR, by_rank
from jobs.ranking.lists import RRF
from jobs.ranking.sources import registry
from jobs.ranking.sources.source import Source

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

    def load(self) -> Order:
        """Itself, where a model would be read from its file."""
        return self

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """One number for each candidate: the higher, the nearer to the top."""
        if self.source:
            return by_rank(frame, self.source).round(6)
        scores: NDArray[np.float64] = self.contributions(frame).sum(axis=1).to_numpy().round(9)
        return scores

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


# What serves where nothing was ever judged: the best source alone on the data that this was measured on.
FIRST = Order(PRIOR)
