"""factors: viewers and videos as vectors whose products say who watches what, from what was watched and what was not.

Belongs here: which setting a data set gets, and what is proposed. The alternating solves: als.py.

Implicit ALS (Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008) as tuned by
Rendle, Krichene, Zhang and Koren, "Revisiting the performance of iALS on item recommendation benchmarks", RecSys 2022,
who show that its constants decide more than its form: between two sets they differ by ten times. So the source keeps
back one watched video of each viewer, tries all SETTINGS with few dimensions, and learns all watches with the one that
ranks what was kept back best (docs/decisions/0014).

A viewer's vector is solved from what they watched before the moment, so it is never older than that, and never newer.
How much a watched video says for a proposal is exact (section 5 of the first paper).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.als import Matrix, Setting, Side, factorised
from jobs.ranking.sources.kept_back import KeptBack, keep_back
from jobs.ranking.sources.similar import NOTHING, because_watched, best, nothing
from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DIM, ROUNDS = 128, 6
# What is tried, with fewer dimensions and rounds; a set of a few viewers gets USUAL, which is best where histories are
# 14 and 97 long, with vectors that do not shrink to nothing where they are short.
SETTINGS = tuple(Setting(weight, regular) for weight in (2.0, 7.0, 20.0) for regular in (0.15, 0.3, 0.6, 1.2))
USUAL, STRONGEST = Setting(7.0, 0.875), 0.12
TRIED_DIM, TRIED_ROUNDS = 32, 4
# Content is tried with the settings that are nearly the best without it.
NEAR = 0.95


def learn(snapshot: Snapshot) -> Propose:
    if not snapshot.positives.nnz:
        return nothing
    kept, watched, own = snapshot.known
    setting = snapshot.choices.once(FACTORS.name, partial(chosen, watched, own))
    side = factorised(watched, setting, DIM, ROUNDS, own)
    return Factors(kept, side)


def chosen(watched: csr_matrix, content: Matrix | None = None) -> Setting:
    """The setting that ranks one video of each viewer best when it learned from all others."""
    kept_back = keep_back(watched)
    if kept_back is None:
        mean = watched.nnz / watched.shape[0]
        return USUAL._replace(regular=min(USUAL.regular, STRONGEST * mean))
    judged = partial(_quality, kept_back)
    tried = {setting: judged(setting, None) for setting in SETTINGS}
    if content is not None:
        near = [setting for setting in SETTINGS if tried[setting] >= NEAR * max(tried.values())]
        tried |= {one: judged(one, content) for one in (setting._replace(by_content=True) for setting in near)}
    return max(tried, key=lambda setting: tried[setting])


def _quality(kept_back: KeptBack, setting: Setting, content: Matrix | None) -> float:
    side = factorised(kept_back.rest, setting, TRIED_DIM, TRIED_ROUNDS, content)
    return kept_back.quality(lambda viewers: side.solved(kept_back.rest[viewers]) @ side.vectors.T)


@dataclass(frozen=True)
class Factors:
    """Proposes the videos (those `kept`) whose vectors have the largest products with the viewer's."""

    kept: NDArray[np.int64]
    side: Side

    def __call__(self, chunk: Chunk) -> Iterator[Found]:
        """The reason is the watched video that makes the largest part of the product."""
        from scipy.linalg.lapack import sposv

        kept, side = self.kept, self.side
        watched = chunk.positives[:, kept]
        every = side.solved(watched) @ side.vectors.T
        for row in range(len(chunk.moments)):
            own = slice(watched.indptr[row], watched.indptr[row + 1])
            if own.start == own.stop:
                yield NOTHING
                continue
            scores = np.round(every[row].astype(float), 6)
            top = best(np.where(chunk.allowed[row, kept], scores, 0), FACTORS.cap)
            if not chunk.explained:
                yield Found(kept[top], scores[top], [None] * len(top))
                continue
            # What each watched video adds to the viewer's vector, a column each.
            _, parts, _ = sposv(*side.normal(watched.indices[own], watched.data[own]))
            most = np.argmax(np.round(side.vectors[top] @ parts, 9), axis=1)
            because: list[str | None] = [str(chunk.world.videos[video]) for video in kept[watched.indices[own][most]]]
            yield Found(kept[top], scores[top], because)

    def of_videos(self) -> tuple[NDArray[np.int64], Matrix]:
        return self.kept, self.side.vectors

    def of_viewers(self, chunk: Chunk) -> Matrix:
        return self.side.solved(chunk.positives[:, self.kept])


# The more a viewer watched, the nearer to 1 are the best ones, so the ranker is given shares too.
FACTORS = Source("factors", cap=150, learn=learn, reason=because_watched, has_share=True)
