"""Which rankers there are, and in what order.

Belongs here: the one list. What follows from it reads it when it is called: what is trained and judged every night
(jobs/ranking/train.py), and what orders the feeds (jobs/feeds/build.py).
"""

from __future__ import annotations

from jobs.ranking.rankers.lightgbm import LightGBM
from jobs.ranking.rankers.ranker import Ranker

# The first orders the feeds. The others are trained and judged beside it.
RANKERS: tuple[Ranker, ...] = (LightGBM(),)
