"""linear: a video's score is a weighted sum over what the viewer watched, with the weights that fit everybody best.

Belongs here: the closed form of the weights. What is proposed from them: similar.py.

EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019): of all matrices B with a zero diagonal
that rebuild the viewers x videos matrix X as X B, the one with the least squared error plus L |B|^2 is -P / diag(P) by
columns, with P the inverse of X'X + L. Four things are added:

- L is the one of PENALTIES that ranks videos kept back best, among the videos with the largest audience. With too few
  viewers to tell, it is LAMBDA over the mean length of a history, since the shorter they are, the less a pair says; at
  most PART of the viewers, or on a small platform nothing would be left but the intercept.
- A row of X weighs less the longer it is, so that long histories do not outweigh many short ones.
- One more column, EVERYBODY in every row: an intercept, without which short histories are ranked worse than by
  popularity.
- Rows below those of the viewers, one per hashtag and per dimension of World.content: videos that nobody watched get
  neighbours by what they are like.

P is found through the smaller side of X, its rows or its columns, which is exact either way. With that side r, n videos
and w watches it takes r^3 + w (r + n) multiplications and 4 r (r + n) bytes, and keeps 8 LONGEST n bytes. 10^6 watches
of 10^4 videos: 10^12 multiplications (half a minute of one core), 0.8 GB, then 24 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.kept_back import KeptBack, keep_back
from jobs.ranking.sources.similar import Similar, because_watched, history, nothing, shortened
from jobs.ranking.sources.snapshot import Snapshot
from jobs.ranking.sources.source import Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]

# These were chosen on validation pairs of three sets: docs/decisions/0014.
LAMBDA, PART, EVERYBODY, CONTENT = 10_000.0, 0.13, 5.0, 1.0
# Between two sets the best ones differ by ten times. They are tried on so many videos, half a second each.
PENALTIES, TRIED = (30.0, 100.0, 300.0, 1000.0), 2000
# Of the smaller side of X: 2 * 12,000^2 * 4 bytes are 1.2 GB. Beyond it the videos with the largest audience are kept,
# and the other sources have the tail.
LIMIT = 12_000
# So many of a video's weights, those farthest from 0, rank hardly worse than all of them.
LONGEST = 300
# Rows of a large matrix that are made at once.
BLOCK = 512


def learn(snapshot: Snapshot) -> Propose:
    from scipy.sparse import csr_matrix

    size = len(snapshot.world.videos)
    if not snapshot.positives.nnz:
        return nothing
    kept = _head(snapshot)
    penalty = snapshot.choices.once(LINEAR.name, partial(_penalty, snapshot))
    similar, everybody = weights(*_rows(snapshot, kept), penalty)
    spread = csr_matrix((np.ones(len(kept), np.float32), (np.arange(len(kept)), kept)), shape=(len(kept), size))
    every = np.zeros(size, dtype=np.float32)
    every[kept] = everybody
    lists = (spread.T @ similar @ spread).tocsr()
    return Similar((lists,), history, LINEAR.cap, everybody=every, decimals=6)


def weights(watched: csr_matrix, content: Matrix, penalty: float) -> tuple[csr_matrix, Matrix]:
    """B of the rows `watched` above the rows `content`, cut, and what EVERYBODY's column, their last one, adds.

    The first is videos x videos, of each row (a watched video) the LONGEST weights farthest from 0; the second has one
    number per video.
    """
    rows, columns = watched.shape[0] + len(content), watched.shape[1]
    find = _by_rows if rows < columns else _by_columns
    blocks, everybody = find(watched, content, penalty)
    return shortened(blocks, columns - 1, LONGEST), everybody * EVERYBODY


def _by_columns(watched: csr_matrix, content: Matrix, penalty: float) -> tuple[Iterator[Matrix], Matrix]:
    """The rows of B but for the last, in blocks, and the last one; through X'X."""
    columns = watched.shape[1]
    gram = np.empty((columns, columns), dtype=np.float32)
    transposed = watched.T.tocsr()
    for block in _blocks(columns):
        gram[block] = (transposed[block] @ watched).toarray()
        gram[block] += content[:, block].T @ content
    _invert(gram, penalty)
    scale = -1 / np.diag(gram)
    everybody = (gram[-1] * scale)[:-1]
    return (np.multiply(gram[block, :-1], scale[:-1], dtype=np.float32) for block in _blocks(columns - 1)), everybody


def _by_rows(watched: csr_matrix, content: Matrix, penalty: float) -> tuple[Iterator[Matrix], Matrix]:
    """The same through XX': P is (1 - X'(XX' + penalty)^-1 X) / penalty."""
    viewers, columns = watched.shape
    transposed = watched.T.tocsr()
    gram = np.empty((viewers + len(content),) * 2, dtype=np.float32)
    for block in _blocks(viewers):
        gram[block, :viewers] = (watched[block] @ transposed).toarray()
    gram[:viewers, viewers:] = watched @ content.T
    gram[viewers:, :viewers] = gram[:viewers, viewers:].T
    gram[viewers:, viewers:] = content @ content.T
    _invert(gram, penalty)
    solved = np.empty((len(gram), columns), dtype=np.float32)  # (XX' + penalty)^-1 X
    for block in _blocks(columns):
        # The inverse is symmetric, and scipy would copy its columns, but not its rows, for each block.
        solved[:, block] = (transposed[block] @ gram[:viewers]).T + gram[:, viewers:] @ content[:, block]
    diagonal = np.asarray(watched.multiply(solved[:viewers]).sum(axis=0)).ravel()
    diagonal += np.einsum("ij,ij->j", content, solved[viewers:])
    scale = 1 / (1 - diagonal)

    def rows(block: slice) -> Matrix:
        made: Matrix = (transposed[block] @ solved[:viewers] + content[:, block].T @ solved[viewers:]) * scale
        return made

    everybody = rows(slice(columns - 1, columns))[0, :-1]
    return (rows(block)[:, :-1] for block in _blocks(columns - 1)), everybody


def _invert(gram: Matrix, penalty: float) -> None:
    """gram + penalty to its inverse, in its place."""
    from scipy.linalg.lapack import spotrf, spotri

    size = len(gram)
    gram[np.arange(size), np.arange(size)] += penalty
    # LAPACK works on columns: what is its lower triangle is the upper one here.
    factor, failed = spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    if failed:
        raise np.linalg.LinAlgError(f"the Gram matrix of {size} rows is not positive definite at row {failed}")
    inverse, _ = spotri(factor, lower=1, overwrite_c=1)
    if not np.shares_memory(inverse, gram):
        gram[:] = inverse.T
    for block in _blocks(size):
        gram[block.stop :, block] = gram[block, block.stop :].T
        square = np.triu(gram[block, block])
        gram[block, block] = square + np.triu(square, 1).T


def _blocks(size: int) -> Iterator[slice]:
    return (slice(first, min(first + BLOCK, size)) for first in range(0, size, BLOCK))


def _head(snapshot: Snapshot) -> NDArray[np.int64]:
    """The videos of which something is known; the ones with the largest audience where that is too many."""
    audience = snapshot.positives.getnnz(axis=0)
    described = snapshot.tag_weights.getnnz(axis=1) > 0
    if snapshot.world.content is not None:
        described |= snapshot.world.content.any(axis=1)
    places = np.flatnonzero((audience > 0) | (described & snapshot.is_out))
    rows = np.count_nonzero(snapshot.positives.getnnz(axis=1)) + snapshot.tag_weights.shape[1]
    if min(rows, len(places)) <= LIMIT:
        return places
    return np.sort(places[np.lexsort((places, -audience[places]))][:LIMIT])


def _penalty(snapshot: Snapshot) -> float:
    positives = snapshot.positives
    audience = positives.getnnz(axis=0)
    head = np.sort(np.lexsort((np.arange(len(audience)), -audience))[:TRIED])
    kept_back = keep_back(positives[:, head].tocsr())
    if kept_back is None:
        viewers = np.count_nonzero(positives.getnnz(axis=1))
        return min(LAMBDA / snapshot.mean_length, PART * viewers)
    tried = {penalty: _quality(kept_back, penalty) for penalty in PENALTIES}
    return max(tried, key=lambda penalty: tried[penalty])


def _quality(kept_back: KeptBack, penalty: float) -> float:
    watched = kept_back.rest[kept_back.rest.getnnz(axis=1) > 0]
    none = np.zeros((0, watched.shape[1] + 1), dtype=np.float32)
    similar, everybody = weights(_with_everybody(watched), none, penalty)
    return kept_back.quality(lambda viewers: (kept_back.rest[viewers] @ similar).toarray() + everybody)


def _with_everybody(watched: csr_matrix) -> csr_matrix:
    """Histories, none empty, by their weight, with EVERYBODY's column."""
    from scipy.sparse import csr_matrix, diags, hstack

    lengths = watched.getnnz(axis=1)
    weight = (lengths.mean() / lengths) ** 0.25 if len(lengths) else lengths  # of both sides of a product
    everybody = csr_matrix(np.full((len(lengths), 1), EVERYBODY))
    return (diags(weight) @ hstack([watched, everybody])).tocsr().astype(np.float32)


def _rows(snapshot: Snapshot, kept: NDArray[np.int64]) -> tuple[csr_matrix, Matrix]:
    """X, whose last column is EVERYBODY's: what viewers watched and which hashtags videos have; and their content."""
    from scipy.sparse import csr_matrix, hstack, vstack

    watched = snapshot.positives[:, kept]
    of_viewers = _with_everybody(watched[watched.getnnz(axis=1) > 0])
    hashtags = snapshot.tag_weights[kept].T * np.sqrt(CONTENT)
    of_hashtags = hstack([hashtags, csr_matrix((hashtags.shape[0], 1))]).tocsr()
    content = snapshot.world.content
    dense = np.zeros((0, len(kept) + 1), dtype=np.float32)
    if content is not None:
        dense = np.zeros((content.shape[1], len(kept) + 1), dtype=np.float32)
        dense[:, :-1] = content[kept].T * np.sqrt(CONTENT)
    return vstack([of_viewers, of_hashtags[of_hashtags.getnnz(axis=1) > 0]]).tocsr().astype(np.float32), dense


# A score is an expectation, but long histories give higher ones, so the ranker is given shares too.
LINEAR = Source("linear", cap=150, learn=learn, reason=because_watched, has_share=True)
