"""small_creators: a slot for a video that hardly anybody has seen, of a creator whom few watch.

Belongs here: which slots, and which of a viewer's candidates get them. Who is small: jobs/ranking/guard_facts.py.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jobs.ranking.stages.stage import Lists, Number, Numbers, Places, Stage, lifted


class SmallCreatorNumbers(Numbers):
    """The n-th of the `slots` is `first + apart * n`, for n from 0: there, or above, stands one with fewer `viewers`.

    What stands at place `among` or below stays there.
    """

    slots: Number[Annotated[int, Field(ge=0, le=50)]]
    first: Number[Annotated[int, Field(ge=0, le=49)]]
    apart: Number[Annotated[int, Field(ge=1, le=49)]]
    among: Number[Annotated[int, Field(ge=1)]]
    viewers: Number[Annotated[int, Field(ge=1)]]


def move(lists: Lists, place: Places, numbers: SmallCreatorNumbers) -> Places:
    """The viewer's best ones of these. Where nothing was ever watched nobody is small, and nothing changes."""
    if lists.videos.viewers is None or lists.videos.small is None:
        return place
    overlooked = lists.videos.small & (lists.videos.viewers < numbers.viewers.value)
    goals = [numbers.first.value + numbers.apart.value * nth for nth in range(numbers.slots.value)]
    return lifted(lists, place, overlooked[lists.video] & (place < numbers.among.value), goals)


def is_on(numbers: SmallCreatorNumbers) -> bool:
    return numbers.slots.value > 0


SMALL_CREATORS = Stage("small_creators", SmallCreatorNumbers, move, is_on, needs=("viewers",))
