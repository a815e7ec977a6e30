"""diversity: the first slots are unlike each other, as far as what was learned of videos tells.

Belongs here: what an alike video is worth after another one, and who gets the first slots then.

Maximal marginal relevance (Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents
and producing summaries", SIGIR 1998): one slot after the other goes to what is worth most, less what it shares with the
most alike of those that have one. Scores of rankers have no scale, so a candidate is worth what its place is, 1 /
log2(place + 2) as in nDCG, and it keeps the part 1 - weight * alike of that, `alike` being the cosine of both vectors.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from jobs.ranking.stages.stage import Lists, Number, Numbers, Places, Stage, placed


class DiversityNumbers(Numbers):
    """The first `slots` go to some of the first `among` candidates; with a `weight` of 0 to the first ones."""

    weight: Number[Annotated[float, Field(ge=0, le=1)]]
    slots: Number[Annotated[int, Field(ge=1, le=50)]]
    among: Number[Annotated[int, Field(ge=1, le=200)]]


def move(lists: Lists, place: Places, numbers: DiversityNumbers) -> Places:
    """What has no vector is like nothing. Where nothing has one nothing changes."""
    if lists.videos.vectors is None:
        return place
    among = numbers.among.value
    many = int(lists.list_of.max(initial=-1)) + 1
    # The first of each list side by side, by their places.
    first = np.flatnonzero(place < among)
    row = np.full((many, among), -1)
    row[lists.list_of[first], place[first]] = first
    vectors = lists.videos.vectors[lists.video[row]].astype(np.float32)
    alike = np.clip(vectors @ vectors.transpose(0, 2, 1), 0, 1)
    worth, is_left = 1 / np.log2(np.arange(among) + 2), row >= 0
    most_alike = np.zeros((many, among))
    every, chosen = np.arange(many), place + numbers.slots.value
    for slot in range(min(numbers.slots.value, among)):
        best = np.argmax(np.where(is_left, worth * (1 - numbers.weight.value * most_alike), -1), axis=1)
        # A list may have ended.
        gets_it = is_left[every, best]
        chosen[row[every, best][gets_it]] = slot
        most_alike = np.maximum(most_alike, alike[every, best])
        is_left[every, best] = False
    return placed(lists.list_of, chosen)


def is_on(numbers: DiversityNumbers) -> bool:
    return numbers.weight.value > 0


DIVERSITY = Stage("diversity", DiversityNumbers, move, is_on, needs=("vectors",))
