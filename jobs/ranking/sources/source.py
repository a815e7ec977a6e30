"""What a candidate source is.

Belongs here: the parts of a source. What it is given to work on: snapshot.py. Each source has a module beside this one;
which there are: registry.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column

from jobs.ranking.sources.snapshot import Chunk, Snapshot

Measure = Literal["score", "share", "rank"]


class Found(NamedTuple):
    """What a source proposes at one moment: video numbers, best first, their scores, and what it went by.

    None is a proposal without a reason, as any may be in a chunk that is not explained.
    """

    videos: NDArray[np.int64]
    scores: NDArray[np.float64]
    because: list[str | None]


Propose = Callable[[Chunk], Iterator[Found]]


@runtime_checkable
class Embeds(Protocol):
    """What a source has learned as vectors of videos and viewers, whose product says how well they go together."""

    def of_videos(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The numbers of the videos that have a vector, and their vectors."""

    def of_viewers(self, chunk: Chunk) -> NDArray[np.float32]:
        """A vector for each moment; of length 0 where it knows nothing of the viewer."""


def whole(parts: Sequence[Propose]) -> Propose:
    """What was learned at once."""
    (one,) = parts
    return one


@dataclass(frozen=True)
class Source:
    """One way to find videos for a viewer."""

    # Stands in gold.candidates, and in front of the ranker's columns.
    name: str
    # At most this many candidates at one moment.
    cap: int
    # What it knows of a snapshot, as a function that can be written to a file. It takes moments by the chunk and gives
    # what it finds at each of them, in their order: allowed videos only, at most `cap`, scores of 0 and more. Videos
    # have the numbers of the snapshot; a viewer has another one, or was not in it.
    learn: Callable[[Snapshot], Propose]
    # The words for a viewer, from what it went by and from the title of the video of that id, NULL if there is none.
    reason: Callable[[Column, Column], Column]
    # Whether the ranker is also given the score over the moment's best one: where scores do not compare by themselves.
    has_share: bool
    # How many pairs of videos it keeps for a watch. Above 0 the videos are cut into blocks, and it keeps to those of
    # its snapshot's block; at 0 it runs once, with the first block.
    pairs_per_watch: int = 0
    # What it knows, from what it learned of each block.
    join: Callable[[Sequence[Propose]], Propose] = whole

    def column(self, measure: Measure) -> str:
        """The ranker's column of a measure."""
        return f"{self.name}_{measure}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The ranker's columns of this source, in its order."""
        measures: tuple[Measure, ...] = ("score", "share", "rank") if self.has_share else ("score", "rank")
        return tuple(self.column(measure) for measure in measures)
