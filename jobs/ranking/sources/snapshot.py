"""What sources are given: what all viewers did before an instant, and at which moments what is asked of whom.

Belongs here: what more than one source needs, computed once for all of them. What one source makes of it: its own
module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.events.watches import SKIPPED
from jobs.ranking.sources.kept_back import Choices
from jobs.ranking.watched import World

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# The newest HISTORY watches speak for a viewer, the r-th newest with weight share * RECENT / (RECENT - 1 + r).
HISTORY, RECENT = 50, 5


class Moment(NamedTuple):
    """One viewer (their number) at one instant, in microseconds."""

    viewer: int
    at: int


class Known(NamedTuple):
    """What vectors are learned from: the numbers of the videos that get one, what viewers watched of these (of viewers
    who watched any), and what the videos are like, a row each; None where nobody says.
    """

    kept: NDArray[np.int64]
    watched: csr_matrix
    content: NDArray[np.float32] | None


@dataclass(frozen=True)
class Snapshot:
    """What all viewers did before an instant (`at`, in microseconds): which watches, and how many viewers a video had.

    Of the videos whose pairs are kept, it has those whose number is `block` modulo `blocks`. Of many watches the world
    has those of some viewers only, and each stands for `scale` viewers: what is counted is counted as if all were
    there. A source that has made its choice in `choices` does not search for its constants again.
    """

    world: World
    at: int
    watches: NDArray[np.bool_]
    audience: NDArray[np.int64]
    block: int
    blocks: int
    scale: float = 1.0
    choices: Choices = field(default_factory=Choices)

    def viewers(self, watches: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many viewers these watches give each video."""
        return viewers_of(self.world, watches, self.scale)

    @cached_property
    def positives(self) -> csr_matrix:
        """What every viewer watched and did not skip: viewers x videos."""
        viewer = np.repeat(np.arange(len(self.world.viewers)), np.diff(self.world.starts))
        return _positives(self.world, viewer[self.watches], np.flatnonzero(self.watches), len(self.world.viewers))

    @cached_property
    def known(self) -> Known:
        """The positives of videos that were watched or are described and out."""
        content, positives = self.world.content, self.positives
        described = np.zeros(positives.shape[1], dtype=np.bool_) if content is None else content.any(axis=1)
        # Nobody watched what is only described; it gets a vector where content counts.
        kept = np.flatnonzero((positives.getnnz(axis=0) > 0) | (described & self.is_out))
        watched = positives[:, kept][positives.getnnz(axis=1) > 0]
        return Known(kept, watched, None if content is None else content[kept])

    @cached_property
    def mean_length(self) -> float:
        """How many positives those have who have any, in the mean; 1 where nobody has."""
        viewers = np.count_nonzero(self.positives.getnnz(axis=1))
        return float(self.positives.nnz / viewers) if viewers else 1.0

    @cached_property
    def tagged(self) -> csr_matrix:
        """videos x hashtags: ones where a video had a hashtag at that instant."""
        from scipy.sparse import csr_matrix

        given = self.world.tagged.tocoo()
        had = given.data < self.at
        cells = (given.row[had], given.col[had])
        return csr_matrix((np.ones(np.count_nonzero(had)), cells), shape=given.shape)

    @cached_property
    def is_out(self) -> NDArray[np.bool_]:
        """Which videos were published by then. What comes later must change nothing."""
        out: NDArray[np.bool_] = self.world.published <= self.at
        return out

    @cached_property
    def tag_weights(self) -> csr_matrix:
        """`tagged` with more for rare hashtags, rows of length 1 (tf-idf): how alike two videos are is a product."""
        from scipy.sparse import diags

        out = self.tagged[self.is_out]
        rarity = np.log((1 + np.count_nonzero(out.getnnz(axis=1))) / (1 + out.getnnz(axis=0))).clip(min=0)
        weighed = self.tagged @ diags(rarity)
        length = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
        scale = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
        return (diags(scale) @ weighed).astype(np.float32).tocsr()


@dataclass(frozen=True)
class Chunk:
    """Moments that are asked together, one row each of two matrices of moments x videos.

    `weights`: how much each of the viewer's newest watches speaks for them. `allowed`: what is published and was
    neither watched, refused nor muted before the moment, nor made by the viewer. Reasons cost as much as scores do;
    unless it is `explained`, sources may leave them out.
    """

    world: World
    moments: list[Moment]
    # The viewer's watches before each moment.
    seen: list[slice]
    weights: csr_matrix
    allowed: NDArray[np.bool_]
    explained: bool

    @cached_property
    def positives(self) -> csr_matrix:
        """What the viewers watched before the moment, however long ago, and did not skip: moments x videos."""
        row = np.repeat(np.arange(len(self.moments)), [watches.stop - watches.start for watches in self.seen])
        watch = np.concatenate([np.arange(watches.start, watches.stop) for watches in self.seen])
        return _positives(self.world, row, watch, len(self.moments))


def take_snapshot(
    world: World,
    at: int,
    block: int = 0,
    blocks: int = 1,
    choices: Choices | None = None,
    scale: float = 1.0,
) -> Snapshot:
    """The snapshot at an instant, with choices of its own unless some are given."""
    watches = world.at < at
    audience = viewers_of(world, watches, scale)
    return Snapshot(world, at, watches, audience, block, blocks, scale, choices or Choices())


def viewers_of(world: World, watches: NDArray[np.bool_], scale: float) -> NDArray[np.int64]:
    """How many viewers these watches give each video, where each viewer stands for `scale`."""
    counted = np.bincount(world.video[watches], minlength=len(world.videos))
    viewers: NDArray[np.int64] = np.rint(counted * scale).astype(np.int64)
    return viewers


def gather(world: World, moments: list[Moment], explained: bool = True) -> Chunk:
    """The moments with what their viewers did before each of them."""
    seen = [_seen(world, moment) for moment in moments]
    return Chunk(world, moments, seen, _weights(world, moments, seen), _allowed(world, moments, seen), explained)


def _positives(world: World, row: NDArray[np.int64], watch: NDArray[np.int64], rows: int) -> csr_matrix:
    """What speaks for a video once for all sources that learn who likes what: a watch that was no skip, by its share.

    A skip says no, and these sources know only yes and nothing.
    """
    from scipy.sparse import csr_matrix

    liked = world.share[watch] >= SKIPPED
    values = world.share[watch][liked].astype(np.float32)
    return csr_matrix((values, (row[liked], world.video[watch][liked])), shape=(rows, len(world.videos)))


def _seen(world: World, moment: Moment) -> slice:
    """The viewer's watches before the moment, oldest first."""
    start, end = world.starts[moment.viewer], world.starts[moment.viewer + 1]
    return slice(start, start + np.searchsorted(world.at[start:end], moment.at))


def _refused(world: World, moment: Moment) -> NDArray[np.int64]:
    """The videos that the viewer refused before the moment."""
    start, end = world.refused_starts[moment.viewer], world.refused_starts[moment.viewer + 1]
    return world.refused[start:end][world.refused_at[start:end] < moment.at]


def _weights(world: World, moments: list[Moment], seen: list[slice]) -> csr_matrix:
    from scipy.sparse import csr_matrix

    newest = [np.arange(max(watches.start, watches.stop - HISTORY), watches.stop) for watches in seen]
    sizes = [len(watches) for watches in newest]
    rows, watch = np.repeat(np.arange(len(moments)), sizes), np.concatenate(newest)
    place = np.concatenate([np.arange(size, 0, -1) for size in sizes])  # 1 is the newest
    weights = world.share[watch] * RECENT / (RECENT - 1 + place)
    return csr_matrix((weights, (rows, world.video[watch])), shape=(len(moments), len(world.videos)))


def _allowed(world: World, moments: list[Moment], seen: list[slice]) -> NDArray[np.bool_]:
    allowed: NDArray[np.bool_] = world.published <= np.array([moment.at for moment in moments])[:, None]
    allowed &= world.creator != world.makes[[moment.viewer for moment in moments]][:, None]
    for row, moment in enumerate(moments):
        if not world.repeats:
            allowed[row, world.video[seen[row]]] = False
        allowed[row, _refused(world, moment)] = False
        if world.muting is not None:
            creators, hashtags = world.muting.in_force(moment.viewer, moment.at)
            allowed[row, np.isin(world.creator, creators)] = False
            for hashtag in hashtags:
                holders = world.holders.indptr[hashtag], world.holders.indptr[hashtag + 1]
                allowed[row, world.holders.indices[slice(*holders)]] = False
    return allowed
