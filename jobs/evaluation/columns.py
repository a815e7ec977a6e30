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


@dataclass(frozen=True)
class Facts:
    """What a snapshot says of viewers and videos: `age_d` only with times, `taste` and `content` only with features."""

    history: NDArray[np.float32]
    mainstream: NDArray[np.float32]
    audience: NDArray[np.float32]
    age_d: NDArray[np.float32] | None
    taste: NDArray[np.float32] | None
    content: NDArray[np.float32] | None

    @property
    def columns(self) -> tuple[str, ...]:
        """How much the viewer watched and others watch that, and how many watched this; its age and likeness."""
        dated = ("age_days",) if self.age_d is not None else ()
        seen = ("content_similarity",) if self.content is not None else ()
        return ("viewer_watches", "viewer_mainstream", "video_viewers", "video_over_mainstream", *dated, *seen)


def facts_of(snapshot: Snapshot, content: NDArray[np.float32] | None) -> Facts:
    """The facts as of a snapshot."""
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
        taste=None if content is None else of_length_one(np.asarray(watched @ content, dtype=np.float32)),
        content=content,
    )


def with_facts(candidates: Union, rows: NDArray[np.int64], facts: Facts) -> Union:
    """The candidates of these viewers with the columns of the facts after those of the sources."""
    filled = candidates.videos != NOTHING
    row, _ = np.nonzero(filled)
    viewer, video = rows[row], candidates.videos[filled]
    columns = [
        facts.history[viewer],
        facts.mainstream[viewer],
        facts.audience[video],
        np.log1p(facts.audience[video]) - facts.mainstream[viewer],
    ]
    if facts.age_d is not None:
        columns.append(facts.age_d[video])
    if facts.taste is not None and facts.content is not None:
        columns.append(np.einsum("nd,nd->n", facts.taste[viewer], facts.content[video]))
    old = candidates.values.shape[2]
    values = np.full((*filled.shape, old + len(columns)), np.nan, dtype=np.float32)
    values[:, :, :old] = candidates.values
    values[filled, old:] = np.stack(columns, axis=1)
    return Union(candidates.videos, candidates.columns + facts.columns, values)


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
