"""content: videos that are like what the viewer watched, by hashtags, creator and World.content.

Belongs here: how alike two videos are by what they are, and what that proposes. How alike they are by who watched them:
the other sources.

Likeness is the sum of three products of rows of length 1 or 0: hashtags (rare ones say more), the creator, and
World.content, what the media say. A viewer's profile is the mean over what they watched and did not skip; no list of
similar videos is made. What nobody has watched is found too; of what is equally alike, the larger audience comes first.

Nothing is learned but the rows. 256 profiles against 10^4 videos take 256 * 10^4 multiplications per dimension and
hashtag of a profile, under a second of one core, and 20 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.ranking.sources.similar import NOTHING, best
from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Described:
    """The rows by which videos are alike: `words` (hashtags and creator), and `content`; and how many watched each."""

    words: csr_matrix
    by_word: csr_matrix  # `words`, transposed
    content: NDArray[np.float32]
    audience: NDArray[np.int64]

    def propose(self, chunk: Chunk) -> Iterator[Found]:
        tastes = chunk.positives
        every = (tastes @ self.words @ self.by_word).toarray()
        every += (tastes @ self.content) @ self.content.T
        # What is watched more is worth more, but so little that what is new is not left out.
        every *= np.log2(2 + self.audience)
        for row, allowed in enumerate(chunk.allowed):
            own = slice(tastes.indptr[row], tastes.indptr[row + 1])
            if own.start == own.stop:
                yield NOTHING
                continue
            watched, shares = tastes.indices[own], tastes.data[own]
            scores = np.round(np.where(allowed, every[row] / shares.sum(), 0).astype(float), 6)
            top = best(scores, CONTENT.cap)
            if not chunk.explained:
                yield Found(top, scores[top], [None] * len(top))
                continue
            terms = (self.words[top] @ self.words[watched].T).toarray() + self.content[top] @ self.content[watched].T
            most = watched[np.argmax(np.round(terms * shares, 6), axis=1)]
            yield Found(top, scores[top], [str(chunk.world.videos[video]) for video in most])


def learn(snapshot: Snapshot) -> Propose:
    from scipy.sparse import csr_matrix, hstack

    world = snapshot.world
    size = len(world.videos)
    makers = csr_matrix((np.ones(size, np.float32), (np.arange(size), world.creator)))
    words = hstack([snapshot.tag_weights, makers]).tocsr()
    content = np.zeros((size, 0), dtype=np.float32) if world.content is None else world.content
    return Described(words, words.T.tocsr(), content, snapshot.audience).propose


def reason(watched: Column, title: Column) -> Column:
    return F.concat(F.lit("like "), F.coalesce(title, watched), F.lit(", which you watched"))


# A viewer of many things is like each of them a little, so the ranker is given shares too.
CONTENT = Source("content", cap=100, learn=learn, reason=reason, has_share=True)
