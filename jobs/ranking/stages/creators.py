"""creators: videos of one creator stand apart, and are not too many.

Belongs here: what happens to the second and each further video of a creator.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from jobs.ranking.stages.stage import Lists, Number, Numbers, Places, Stage, further, placed

Share = Annotated[float, Field(ge=0.05, le=1)]


class CreatorNumbers(Numbers):
    """The n-th video of a creator goes `places * (n - 1)` places down, for n - 1 up to `videos`.

    Besides, what it is worth at its place, 1 / log2(place + 2) as in nDCG, is multiplied by decay ** (n - 1), but not
    by less than the floor: it goes to where others are worth as much. From `at_most` videos on, the others stand last.
    """

    places: Number[Annotated[int, Field(ge=0)]]
    videos: Number[Annotated[int, Field(ge=0)]]
    decay: Number[Share]
    floor: Number[Share]
    at_most: Number[Annotated[int, Field(ge=1)]]


def move(lists: Lists, place: Places, numbers: CreatorNumbers) -> Places:
    """Where all are of one creator nothing changes."""
    above = further(lists.list_of, place, lists.videos.creators[lists.video])
    kept = np.maximum(numbers.decay.value**above, numbers.floor.value)
    slot = (place + 2) ** (1 / kept) - 2 + numbers.places.value * np.minimum(above, numbers.videos.value)
    return placed(lists.list_of, above >= numbers.at_most.value, slot, place)


def is_on(numbers: CreatorNumbers) -> bool:
    return True


CREATORS = Stage("creators", CreatorNumbers, move, is_on)
