"""sounds: videos with one sound stand apart.

Belongs here: what happens to the second and each further video that uses a sound. A video that brings its own has it
in common with nobody.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from jobs.ranking.stages.stage import Lists, Number, Numbers, Places, Stage, further, placed


class SoundNumbers(Numbers):
    """The n-th video of a sound goes `places * (n - 1)` places down, for n - 1 up to `videos`."""

    places: Number[Annotated[int, Field(ge=0)]]
    videos: Number[Annotated[int, Field(ge=0)]]


def move(lists: Lists, place: Places, numbers: SoundNumbers) -> Places:
    """Where no sound is known nothing changes."""
    if lists.videos.sounds is None:
        return place
    sound = lists.videos.sounds[lists.video]
    above = np.where(sound < 0, 0, further(lists.list_of, place, sound + 1))
    down = numbers.places.value * np.minimum(above, numbers.videos.value)
    return placed(lists.list_of, place + down, place)


def is_on(numbers: SoundNumbers) -> bool:
    return numbers.places.value > 0


SOUNDS = Stage("sounds", SoundNumbers, move, is_on, needs=("sounds",))
