"""Which re-rank stages there are, and in what order they work.

Belongs here: the list. The policy has numbers for each of them, and nothing for any other.
"""

from __future__ import annotations

from typing import Any

from jobs.ranking.stages.creators import CREATORS
from jobs.ranking.stages.stage import Stage

# Any is the numbers of the stage, which only its own module reads.
STAGES: tuple[Stage[Any], ...] = (CREATORS,)
