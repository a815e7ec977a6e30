"""popularity: what most viewers watched, of all time.

Belongs here: the order of everybody's first choice. What is popular lately, and the words: popular.py.

It is there so that a night's candidates hold what popularity finds: the gate can compare a feed with it as a whole, and
let it serve. Where times say little, the shortest busy window of popular.py is a sample of it.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from jobs.ranking.sources.popular import EVER_D, propose_in_order, reason
from jobs.ranking.sources.snapshot import Snapshot
from jobs.ranking.sources.source import Propose, Source


def learn(snapshot: Snapshot) -> Propose:
    """Every video that anybody watched, most viewers first."""
    audience = snapshot.audience
    watched = np.flatnonzero(audience)
    order = watched[np.lexsort((watched, -audience[watched]))]
    return partial(propose_in_order, order, audience.astype(np.float64), str(EVER_D), POPULARITY.cap)


POPULARITY = Source("popularity", cap=60, learn=learn, reason=reason, has_share=False)
