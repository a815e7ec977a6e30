"""What another policy would change in the feeds of a night, and for how many viewers.

Belongs here: everybody's feed by two policies. What a policy is: jobs/ranking/policy.py. How feeds are made: build.py.
How it is printed: jobs/command/groups/policy.py.

Slots that chance fills are left out: they are drawn alike whatever the policy is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.feeds.build import Tonight, by_viewer, tonight
from jobs.feeds.slots import Candidates, Catalogue, placed_of
from jobs.ranking.model import InService
from jobs.ranking.orders import FIRST, Order
from jobs.ranking.policy import Policy
from jobs.ranking.serving import serving
from jobs.ranking.spacing import SLOTS

if TYPE_CHECKING:
    from jobs.ranking.rankers.ranker import Scorer

CANDIDATES = "gold.candidates"
# The first page of most clients.
TOP = 10
COMPARED = "top boolean, feed boolean"


class NoCandidates(ReelmillError):
    """The night has no candidates, of which feeds could be made."""


class Difference(NamedTuple):
    """How many viewers there are, and of how many the first TOP slots and the whole feeds are not the same."""

    viewers: int
    top: int
    feed: int


def difference(lake: Lake, night: date, one: Policy, other: Policy) -> Difference:
    """Of a night's candidates, ordered by what served them. Raises NoCandidates."""
    window = Window.of_day(night)
    if not lake.exists(CANDIDATES) or lake.of(CANDIDATES, window).isEmpty():
        raise NoCandidates(
            f"gold.candidates has no row of {night}. `reelmill pipeline nightly` makes those of a night."
        )
    last = serving(lake, night + timedelta(days=1))
    known = tonight(lake, lake.of(CANDIDATES, window), window.end, one.needs | other.needs)
    found = compared(known, last.system if last else FIRST, one, other)
    size, top, feed = found.agg(F.count("*"), F.count_if("top"), F.count_if("feed")).collect()[0]
    return Difference(size, top, feed)


def compared(known: Tonight, served: InService | Order, one: Policy, other: Policy) -> DataFrame:
    """A row for each viewer with a feed: whether its first TOP slots, and all of it, differ between the policies."""
    columns = known.columns

    def compare(rows: pa.Table, catalogue: Catalogue, made: Candidates, models: Sequence[Scorer]) -> pa.Table:
        (model,) = models
        here, there = (placed_of(made, catalogue, columns, model, policy).position for policy in (one, other))
        viewers = np.unique(made.viewer)

        def differ(slots: int) -> NDArray[np.bool_]:
            moved = (here != there) & (np.minimum(here, there) < slots)
            return np.isin(viewers, made.viewer[moved])

        return pa.table({"top": differ(TOP), "feed": differ(SLOTS)})

    return by_viewer(known, known.said, [served], compare, COMPARED)
