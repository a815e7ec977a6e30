"""hashtags: videos of one hashtag stand apart.

Belongs here: what happens to the second and each further video of a hashtag.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from jobs.ranking.stages.stage import Lists, Number, Numbers, Places, Stage, further, placed


class HashtagNumbers(Numbers):
    """A video goes `places * n` places down, for n up to `videos`: of its hashtags, one is on n videos above it.

    It is the one that is on most of them. What more than the share `common` of all videos have says nothing of any.
    """

    places: Number[Annotated[int, Field(ge=0)]]
    videos: Number[Annotated[int, Field(ge=0)]]
    common: Number[Annotated[float, Field(ge=0, le=1)]]


def move(lists: Lists, place: Places, numbers: HashtagNumbers) -> Places:
    """Where no video has a hashtag nothing changes."""
    known = lists.videos.hashtags
    if known is None:
        return place
    given = known[lists.video]
    tells = lists.videos.hashtag_shares[given.indices] <= numbers.common.value
    row = np.repeat(np.arange(len(place)), np.diff(given.indptr))[tells]
    above = np.zeros(len(place), dtype=np.int64)
    np.maximum.at(above, row, further(lists.list_of[row], place[row], given.indices[tells].astype(np.int64)))
    down = numbers.places.value * np.minimum(above, numbers.videos.value)
    return placed(lists.list_of, place + down, place)


def is_on(numbers: HashtagNumbers) -> bool:
    return numbers.places.value > 0


HASHTAGS = Stage("hashtags", HashtagNumbers, move, is_on, needs=("hashtags",))
