"""What a ranker is: it learns from examples, and gives every candidate of a moment one number.

Belongs here: what all rankers have in common. Each has a module beside this one; which there are: registry.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from jobs.ranking.training_set import Split


@dataclass(frozen=True)
class Trained:
    """`content` is the whole model as its file holds it, small enough to travel to every Spark task.

    `rounds` is how many rounds of training early stopping kept; 0 where a ranker does not learn in rounds.
    `starts_from` is the plain order that it corrects; None where it starts from nothing.
    """

    content: bytes
    rounds: int
    starts_from: str | None = None


class Scorer(Protocol):
    """What puts candidates in order."""

    @property
    def steps(self) -> int:
        """How many numbers are compared or multiplied for one candidate, at most: what scoring costs anywhere."""
        ...

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """One number for each row, a candidate with the ranker's features: the higher, the nearer to the top."""
        ...


class Model(Scorer, Protocol):
    """A trained ranker, read back from what its file holds, or a plain order. It can say why."""

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What each feature adds to the score of each row: a column a feature, and their sum is the score."""
        ...


class Ranker(Protocol):
    """One way to order candidates. It is trained, judged and put in service apart from all others, by its name."""

    @property
    def name(self) -> str:
        """What gold.models calls it. It never changes: what serves is found by it."""
        ...

    @property
    def file(self) -> str:
        """What its file is called in the model store; the suffix tells the format."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it is trained with, as gold.models keeps it. With others it is another version."""
        ...

    @property
    def limits(self) -> tuple[int, ...]:
        """When its training ends, such as rounds at most and rounds without a gain. With others, another version."""
        ...

    def train(self, parts: Split, features: tuple[str, ...]) -> Trained:
        """Learn from `parts.training` and stop by `parts.stopping`. What judges is not there to be seen.

        The same examples give the same bytes, or a repeated night would have another model under the same version.
        """
        ...

    def load(self, content: bytes) -> Model:
        """The model of what `train` gave."""
        ...
