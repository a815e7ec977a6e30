"""trending: some slots for what rises.

Belongs here: which slots, and which of a viewer's candidates get them. What rises: jobs/features/trending.py.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jobs.ranking.stages.stage import Lists, Number, Numbers, Places, Stage, lifted


class TrendingNumbers(Numbers):
    """The n-th of the `slots` is `first + apart * n`, for n from 0: there, or above, stands one of the first `ranks`.

    These are ranks among what rises. What stands at place `among` or below stays there.
    """

    slots: Number[Annotated[int, Field(ge=0, le=50)]]
    first: Number[Annotated[int, Field(ge=0, le=49)]]
    apart: Number[Annotated[int, Field(ge=1, le=49)]]
    among: Number[Annotated[int, Field(ge=1)]]
    ranks: Number[Annotated[int, Field(ge=1, le=100)]]


def move(lists: Lists, place: Places, numbers: TrendingNumbers) -> Places:
    """Of what rises, the viewer's best ones. Where nothing rises, or nobody proposed it to them, nothing changes."""
    if lists.videos.rising is None:
        return place
    rank = lists.videos.rising[lists.video]
    goals = [numbers.first.value + numbers.apart.value * nth for nth in range(numbers.slots.value)]
    wanted = (rank > 0) & (rank <= numbers.ranks.value) & (place < numbers.among.value)
    return lifted(lists, place, wanted, goals)


def is_on(numbers: TrendingNumbers) -> bool:
    return numbers.slots.value > 0


TRENDING = Stage("trending", TrendingNumbers, move, is_on, needs=("rising",))
