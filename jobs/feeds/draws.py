"""Slots that chance fills, so that what viewers make of them tells what any other order would have earned.

Belongs here: which slots are drawn, what is drawn for them, and by which chance. What a feed is without it:
jobs/ranking/spacing.py. What is learned from it: jobs/evaluation/.

Each slot of a feed is drawn with the probability `share`, whatever is in it and whatever became of the others. A drawn
slot gets one of all n candidates that the viewer has tonight, each with the same probability, its propensity: 1 / n. If
the video stands elsewhere in the feed already, the two swap places; if not, it takes the place of the one that was
there. Of two drawn slots of one feed, the lower one is dealt from the n - 1 candidates that the upper one did not get,
as cards are. So no swap takes a drawn slot its video again, no video is drawn twice, and the propensity of each slot
by itself is 1 / n all the same.

A draw depends on the day, the viewer and the position alone: not on how the viewers are cut into tasks, on who else
there is, or on what serves.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.ranking.mixing import mixed
from jobs.ranking.spacing import SLOTS

# What gold.feeds names in the place of a source.
CHANCE = "chance"
REASON = "to find out what you like"


class Explored(NamedTuple):
    """The position of each candidate, and the chance by which it came there: NaN but for those that were drawn."""

    position: NDArray[np.int64]
    propensity: NDArray[np.float64]


def explored(
    viewers: pa.StringArray, viewer: NDArray[np.int64], position: NDArray[np.int64], day: date, share: float
) -> Explored:
    """The feeds with their drawn slots. `viewer` (a place in `viewers`) and `position` are of all their candidates.

    The candidates of a viewer lie together and have the positions 0, 1, 2 ...
    """
    propensity = np.full(len(viewer), np.nan)
    if not share:
        return Explored(position, propensity)
    candidates = np.bincount(viewer, minlength=len(viewers))
    top = np.cumsum(candidates) - candidates
    seeds = _seeds(viewers, day)
    is_drawn = _uniform(seeds[:, None], np.arange(SLOTS)) < share
    owner, slot = np.nonzero(is_drawn & (np.arange(SLOTS) < candidates[:, None]))
    # Of the drawn slots of a viewer, how many stand above.
    above = np.arange(len(owner)) - np.searchsorted(owner, owner)
    # A place among those that hold no draw yet, from the top.
    place = (_uniform(seeds[owner], SLOTS + slot) * (candidates[owner] - above)).astype(np.int64)

    held_by = np.empty(len(viewer), dtype=np.int64)  # the candidate at each place, feed after feed
    held_by[top[viewer] + position] = np.arange(len(viewer))
    for turn in range(int(above.max(initial=-1)) + 1):
        now = np.flatnonzero(above == turn)
        for back in range(turn, 0, -1):
            place[now] += place[now] >= slot[now - back]
        here, there = top[owner[now]] + slot[now], top[owner[now]] + place[now]
        held_by[here], held_by[there] = held_by[there], held_by[here]

    moved = np.concatenate([top[owner] + slot, top[owner] + place])
    explored = position.copy()
    explored[held_by[moved]] = moved - top[np.concatenate([owner, owner])]
    propensity[held_by[top[owner] + slot]] = 1 / candidates[owner]
    return Explored(explored, propensity)


def _seeds(viewers: pa.StringArray, day: date) -> NDArray[np.uint64]:
    """A number for each viewer and day, which says nothing about any other's."""
    digests = [hashlib.blake2b(f"{day} {name}".encode(), digest_size=8).digest() for name in viewers.to_pylist()]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def _uniform(seeds: NDArray[np.uint64], nth: NDArray[np.int64]) -> NDArray[np.float64]:
    """The n-th number in [0, 1) of the stream of each seed."""
    drawn = mixed(seeds, (nth + 1).astype(np.uint64)) >> np.uint64(11)
    return drawn.astype(np.float64) * 2.0**-53
