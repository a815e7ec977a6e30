"""Which sources there are, and in what order.

Belongs here: the three lists. What follows from the night's reads it when it is called: the ranker's columns and the
order of equal scores (jobs/ranking/features.py), how much is proposed (propose.py, examples.py), and the reason of a
slot (jobs/feeds/build.py).
"""

from __future__ import annotations

from jobs.ranking.sources.content import CONTENT
from jobs.ranking.sources.factors import FACTORS
from jobs.ranking.sources.fresh import FRESH
from jobs.ranking.sources.item_item import ITEM_ITEM
from jobs.ranking.sources.linear import LINEAR
from jobs.ranking.sources.neighbours import NEIGHBOURS
from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.sources.popularity import POPULARITY
from jobs.ranking.sources.source import Source
from jobs.ranking.sources.walk import WALK

# The strongest first: of a video that several propose, the first one gives the reason, and its rank orders equal
# scores. The ranker's columns stand in this order too, and its trees depend on it.
SOURCES: tuple[Source, ...] = (ITEM_ITEM, POPULAR, FRESH, POPULARITY)
# Whose lists and vectors are tables (gold.similar_videos, gold.embeddings), whether they propose in the night or not.
KEPT: tuple[Source, ...] = (ITEM_ITEM, LINEAR, WALK, FACTORS)
# What `reelmill evaluate` lets learn: the night's, and those that have not earned a place in it yet. With all of them
# the served feeds were no better on MovieLens, at four times the candidates (docs/decisions/0014). Popularity of all
# time is a baseline there, which may serve too.
JUDGED: tuple[Source, ...] = (ITEM_ITEM, LINEAR, FACTORS, NEIGHBOURS, WALK, CONTENT, POPULAR, FRESH)
