"""Which re-rank stages there are, and in what order they work.

Belongs here: the list. The policy has numbers for each of them, and nothing for any other.
"""

from __future__ import annotations

from typing import Any

from jobs.ranking.stages.creators import CREATORS
from jobs.ranking.stages.diversity import DIVERSITY
from jobs.ranking.stages.hashtags import HASHTAGS
from jobs.ranking.stages.small_creators import SMALL_CREATORS
from jobs.ranking.stages.sounds import SOUNDS
from jobs.ranking.stages.stage import Stage
from jobs.ranking.stages.trending import TRENDING

# What gives a video a certain slot comes last, or what spreads others would take it away again. Any is the numbers of
# the stage, which only its own module reads.
STAGES: tuple[Stage[Any], ...] = (CREATORS, HASHTAGS, SOUNDS, DIVERSITY, TRENDING, SMALL_CREATORS)
