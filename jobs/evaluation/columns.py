"""What the ranker of an evaluation reads of a viewer and a candidate: the sources' columns, and plain facts of both.

Belongs here: facts that plain files hold, as columns beside those of the sources. The sources' own columns:
jobs/ranking/lists.py. On the platform these facts come from the feature store: jobs/features/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.files import of_length_one
from jobs.ranking.lists import NOTHING, Union
from jobs.ranking.sources.snapshot import Snapshot
from jobs.ranking.watched import ALWAYS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DAY = 86_400_000_000  # microseconds
# Likenesses of viewers and all videos that are held at once.
ROOM = 10_000_000


@dataclass(frozen=True)
class Facts:
    """What a snapshot says of viewers and videos: `age_d` with times, a taste and a content for each features file."""

    history: NDArray[np.float32]
    mainstream: NDArray[np.float32]
    audience: NDArray[np.float32]
    age_d: NDArray[np.float32] | None
    tastes: tuple[NDArray[np.float32], ...]
    contents: tuple[NDArray[np.float32], ...]
    watched: csr_matrix | None = None  # viewers x videos, where lists may hold what was watched

    @property
    def columns(self) -> tuple[str, ...]:
        """How much the viewer watched and others watch that, and how many watched this; its age and likeness; and where
        it may be told, whether the viewer watched it."""
        dated = ("age_days",) if self.age_d is not None else ()
        seen = tuple(f"content_similarity_{n + 1}" for n in range(len(self.contents)))
        again = ("watched_before",) if self.watched is not None else ()
        return ("viewer_watches", "viewer_mainstream", "video_viewers", "video_over_mainstream", *dated, *seen, *again)


def facts_of(snapshot: Snapshot, contents: tuple[NDArray[np.float32], ...]) -> Facts:
    """The facts as of a snapshot; a taste is the mean of what a viewer watched, at length 1."""
    world = snapshot.world
    history = np.diff(world.starts).astype(np.float32)
    watched = _watched(snapshot)
    known = np.maximum(history, 1)
    mainstream = (watched @ np.log1p(snapshot.audience)) / known
    age = None
    if (world.published > ALWAYS).any():
        days = (snapshot.at - world.published.astype(np.float64)) / DAY
        age = np.where(world.published > ALWAYS, days, np.nan).astype(np.float32)
    return Facts(
        history=history,
        mainstream=mainstream.astype(np.float32),
        audience=snapshot.audience.astype(np.float32),
        age_d=age,
        tastes=tuple(of_length_one(np.asarray(watched @ rows, dtype=np.float32)) for rows in contents),
        contents=contents,
        watched=watched if world.repeats else None,
    )


def with_facts(candidates: Union, rows: NDArray[np.int64], facts: Facts) -> Union:
    """The candidates of these viewers with the columns of the facts after those of the sources."""
    filled = candidates.videos != NOTHING
    row, place = np.nonzero(filled)
    viewer, video = rows[row], candidates.videos[filled]
    columns = [
        facts.history[viewer],
        facts.mainstream[viewer],
        facts.audience[video],
        np.log1p(facts.audience[video]) - facts.mainstream[viewer],
    ]
    if facts.age_d is not None:
        columns.append(facts.age_d[video])
    for taste, content in zip(facts.tastes, facts.contents, strict=True):
        columns.append(_likeness(taste[rows], content, candidates.videos)[row, place])
    if facts.watched is not None:
        columns.append(np.asarray(facts.watched[viewer, video], dtype=np.float32).ravel())
    old = candidates.values.shape[2]
    values = np.full((*filled.shape, old + len(columns)), np.nan, dtype=np.float32)
    values[:, :, :old] = candidates.values
    values[filled, old:] = np.stack(columns, axis=1)
    return Union(candidates.videos, candidates.columns + facts.columns, values)


def _likeness(
    tastes: NDArray[np.float32], content: NDArray[np.float32], videos: NDArray[np.int32]
) -> NDArray[np.float32]:
    """viewers x places: how much each taste likes what stands in its row. The product with all videos is faster than
    one with a copy of the content for each place."""
    likeness = np.empty(videos.shape, dtype=np.float32)
    step = max(1, ROOM // max(len(content), 1))
    for first in range(0, len(videos), step):
        some = slice(first, first + step)
        likeness[some] = np.take_along_axis(tastes[some] @ content.T, np.maximum(videos[some], 0), axis=1)
    return likeness


def _watched(snapshot: Snapshot) -> csr_matrix:
    """viewers x videos: ones where a viewer watched a video before the snapshot."""
    from scipy.sparse import csr_matrix

    world = snapshot.world
    viewer = np.repeat(np.arange(len(world.viewers)), np.diff(world.starts))[snapshot.watches]
    shape = (len(world.viewers), len(world.videos))
    watched: csr_matrix = csr_matrix(
        (np.ones(len(viewer), dtype=np.float32), (viewer, world.video[snapshot.watches])), shape=shape
    )
    return watched
