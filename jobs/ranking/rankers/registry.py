"""Which rankers there are.

Belongs here: the one list. What is trained and judged every night (jobs/ranking/train.py) reads it when it is called.
"""

from __future__ import annotations

from jobs.ranking.rankers.lightgbm import LightGBM
from jobs.ranking.rankers.ranker import Ranker

# All are trained and judged beside each other and beside the plain orders; one system of all these orders the feeds.
RANKERS: tuple[Ranker, ...] = (LightGBM(),)
