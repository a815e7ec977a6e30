"""How scored candidates become slots: in the order of their scores, and then as the re-rank stages move them.

Belongs here: how many slots there are, the order by scores, and the work of all stages one after the other, for the
feeds of a night and for the lists that the gate judges. The scores: rankers/ and orders.py. What a stage does: stages/.
Who asks: jobs/feeds/slots.py and judge.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.policy import Policy
from jobs.ranking.stages import registry
from jobs.ranking.stages.stage import Lists, Places, placed

SLOTS = 50


def by_score(list_of: NDArray[np.int64], scores: NDArray[np.float64], tied: Sequence[NDArray[np.float64]]) -> Places:
    """The place of each row in its list, the best first: 0 is the top.

    The rows of a list are in the order of their videos, by which the last ties are told apart. `tied` holds the columns
    of `features.ties`, NaN where a source is silent.
    """
    silent_last = [np.where(np.isnan(ranks), np.inf, ranks) for ranks in tied]
    return placed(list_of, -scores, *silent_last)


def positions(lists: Lists, place: Places, policy: Policy) -> Places:
    """The position of each row in its list after all stages: from SLOTS on nothing is shown."""
    *_, (_, last) = moved(lists, place, policy)
    return last


def moved(lists: Lists, place: Places, policy: Policy) -> Iterator[tuple[str, Places]]:
    """The places after each of the stages, with its name."""
    for stage in registry.STAGES:
        numbers = policy.numbers[stage.name]
        if stage.is_on(numbers):
            place = stage.move(lists, place, numbers)
        yield stage.name, place
