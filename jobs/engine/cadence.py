"""How often jobs run, and the pipelines by which a person or an orchestrator runs them.

Belongs here: names and nothing that takes time to import, since the command offers them and every DAG file loads this.
Which jobs there are, and their order: jobs/pipeline.py. When a pipeline runs by itself: its file in dags/.
"""

from __future__ import annotations

from typing import Literal

Cadence = Literal["5min", "hour", "day", "night"]

# A pipeline takes in what has arrived before it computes, so that each is right when it is run alone.
PIPELINES: dict[str, tuple[Cadence, ...]] = {
    "ingest": ("5min",),
    "hourly": ("5min", "hour"),
    "daily": ("5min", "day"),
    "nightly": ("5min", "day", "night"),
}
