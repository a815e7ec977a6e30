"""Tonight's candidates of some viewers as arrays: the ranker's columns, the order and the slots.

Belongs here: what becomes of the candidates of whole viewers that lie in memory. Which viewers lie there together, and
the table of feeds: build.py. The same columns for past moments: jobs/ranking/features.py and jobs/features/store.py; a
test ties the two.

A candidate has some sixty features, and most of them say something of its viewer or its video alone. So those of
videos lie in each task once (4 bytes each, 124 MB for 10^6 videos), those of a viewer come once with the viewer, and
nothing is joined: what goes through Spark is what a source said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.ranking.features import AGE
from jobs.ranking.policy import Policy
from jobs.ranking.sources.source import Measure, Source
from jobs.ranking.spacing import by_score, moved
from jobs.ranking.stages.known import videos_of
from jobs.ranking.stages.stage import Lists, Places, Videos

if TYPE_CHECKING:
    import pandas as pd

    from jobs.ranking.rankers.ranker import Scorer

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Catalogue:
    """All videos in the order of their ids: what stages know of them, `titles` and `values`, one row a video.

    `columns` are AGE and the feature store's columns of videos, in the order of the columns of `values`.
    """

    videos: pa.StringArray
    known: Videos
    titles: pa.StringArray
    columns: tuple[str, ...]
    values: Matrix


class Columns(NamedTuple):
    """What says something of a candidate, by the driver's registry, which tasks do not have to know.

    `ties` are the sources' columns that order equal scores, `of_viewers` the feature store's columns of viewers.
    """

    sources: tuple[Source, ...]
    ties: tuple[str, ...]
    of_viewers: tuple[str, ...]


@dataclass(frozen=True)
class Candidates:
    """What was proposed to some viewers, by viewer and then by video: the n-th row of `frame` is the n-th of all.

    `viewer` and `video` are numbers: places among `viewers` and in the catalogue. `first` is the row, among those that
    these were made of, in which the first source proposes the video: what it went by gives the reason.
    """

    viewers: pa.StringArray
    viewer: NDArray[np.int64]
    video: NDArray[np.int64]
    first: NDArray[np.int64]
    frame: pd.DataFrame

    def of(self, rows: NDArray[np.int64]) -> Candidates:
        """Some rows, in their order."""
        kept = self.frame.iloc[rows].reset_index(drop=True)
        return Candidates(self.viewers, self.viewer[rows], self.video[rows], self.first[rows], kept)


def catalogue_of(known: pa.Table, columns: tuple[str, ...]) -> Catalogue:
    """The catalogue of a table as from `looked_up`, with title, AGE and the features of videos in `columns`."""
    rows = known.sort_by("video_id").combine_chunks()
    every = (AGE, *columns)
    return Catalogue(
        videos=rows["video_id"].combine_chunks(),
        known=videos_of(rows),
        titles=rows["title"].combine_chunks(),
        columns=every,
        values=np.stack([_floats(rows[name]) for name in every], axis=1),
    )


def candidates_of(rows: pa.Table, catalogue: Catalogue, columns: Columns) -> Candidates:
    """The candidates in `rows`: user_id, video_id, source, score and rank as in gold.candidates, and `facts`.

    A row without a source says what is known of its viewer: `facts` holds the features `columns.of_viewers`. What is no
    video of the catalogue is left out.
    """
    import pandas as pd

    viewers = rows["user_id"].combine_chunks().dictionary_encode()
    viewer = viewers.indices.to_numpy().astype(np.int64)
    source = _places(rows["source"], pa.array([source.name for source in columns.sources]))
    video = _places(rows["video_id"], catalogue.videos)
    proposed = np.flatnonzero((source >= 0) & (video >= 0))
    keys, place = np.unique(viewer[proposed] * len(catalogue.videos) + video[proposed], return_inverse=True)
    of_viewer, of_video = np.divmod(keys, max(len(catalogue.videos), 1))

    score, rank = (rows[name].combine_chunks().to_numpy(zero_copy_only=False) for name in ("score", "rank"))
    said: dict[str, Matrix] = {}
    first = np.zeros(len(keys), dtype=np.int64)
    for number, one in reversed(list(enumerate(columns.sources))):
        own = source[proposed] == number
        mine, there = proposed[own], place[own]
        # The last one to write here is the first of all.
        first[there] = mine
        measures: dict[Measure, NDArray[np.float64]] = {"score": score[mine], "rank": rank[mine]}
        if one.has_share:
            measures["share"] = _share(score[mine], rank[mine], viewer[mine], len(viewers.dictionary))
        for measure, values in measures.items():
            column = said.setdefault(one.column(measure), np.full(len(keys), np.nan, dtype=np.float32))
            column[there] = values
    known = _of_viewers(rows, viewer, len(viewers.dictionary), len(columns.of_viewers))
    names = [name for one in columns.sources for name in one.columns]
    every = np.hstack([np.stack([said[name] for name in names], axis=1), known[of_viewer], catalogue.values[of_video]])
    frame = pd.DataFrame(every, columns=[*names, *columns.of_viewers, *catalogue.columns])
    return Candidates(viewers.dictionary, of_viewer, of_video, first, frame)


class Placed(NamedTuple):
    """Of each candidate: its score, its place by scores alone, and the one after each stage, the feed's at last.

    From SLOTS on nothing is shown.
    """

    scores: NDArray[np.float64]
    place: Places
    after: dict[str, Places]

    @property
    def position(self) -> Places:
        return next(reversed(self.after.values()))


def placed_of(candidates: Candidates, catalogue: Catalogue, columns: Columns, system: Scorer, policy: Policy) -> Placed:
    """Where a system and a policy put the candidates."""
    scores = system.score(candidates.frame)
    tied = [candidates.frame[rank].to_numpy(dtype=np.float64) for rank in columns.ties]
    place = by_score(candidates.viewer, scores, tied)
    lists = Lists(candidates.viewer, candidates.video, catalogue.known)
    return Placed(scores, place, dict(moved(lists, place, policy)))


def _share(
    score: NDArray[np.float64], rank: NDArray[np.int64], viewer: NDArray[np.int64], viewers: int
) -> NDArray[np.float64]:
    """The score over the source's best one for the viewer, NaN where that is 0, rounded as Spark rounds."""
    best = np.full(viewers, np.nan)
    best[viewer[rank == 1]] = score[rank == 1]
    best[best == 0] = np.nan
    # Halves go up, and what is a half but for the last bits of the product is one.
    million: NDArray[np.float64] = np.floor(np.round(score / best[viewer] * 1e6, 7) + 0.5)
    return million / 1e6


def _of_viewers(rows: pa.Table, viewer: NDArray[np.int64], viewers: int, columns: int) -> Matrix:
    """viewers x columns: the facts of each, NaN for those of whom nothing is said."""
    known = np.full((viewers, columns), np.nan, dtype=np.float32)
    said = rows["source"].is_null()
    told = rows["facts"].filter(said).combine_chunks()
    known[viewer[said.to_numpy(zero_copy_only=False)]] = _floats(told.flatten()).reshape(len(told), columns)
    return known


def _places(values: pa.ChunkedArray, among: pa.Array) -> NDArray[np.int64]:
    """The place of each value in `among`, -1 for what is not there, and for NULL."""
    found = pc.index_in(values, value_set=among).fill_null(-1)
    places: NDArray[np.int64] = found.to_numpy().astype(np.int64)
    return places


def _floats(values: pa.ChunkedArray | pa.Array) -> Matrix:
    """NULL is NaN; as exact as a ranker reads it."""
    found: Matrix = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float32)
    return found
