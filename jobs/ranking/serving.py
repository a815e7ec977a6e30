"""What orders the feeds: a model in service, or a plain order. This is the one place that says which.

Belongs here: reading the last verdict. The rule that made it: gate.py. Where a model's file lies: model.py. What it is
used for: train.py (what a new model has to beat) and jobs/feeds/build.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import functions as F

from jobs.engine.lake import Lake
from jobs.ranking import model
from jobs.ranking.model import InService
from jobs.ranking.orders import Order, plain_orders
from jobs.ranking.rankers import registry

VERDICTS = "gold.verdicts"


@dataclass(frozen=True)
class Serving:
    """What serves, and how many watches there were when that was last judged; None before that was written down."""

    system: InService | Order
    watches: int | None


def serving(lake: Lake, before: date) -> Serving | None:
    """What serves by the last verdict on a night before that day; None where there was none.

    On a lake without a verdict it is the newest model that was promoted. Raises ModelMissing when its file is gone.
    """
    if lake.exists(VERDICTS):
        judged = lake.read(VERDICTS, until=before).where("is_judged AND is_serving")
        last = judged.orderBy(F.col("event_date").desc()).first()
        if last is not None:
            plain = {order.version: order for order in plain_orders()}
            system = plain.get(last["system"]) or model.of_version(lake, last["system"])
            # A source or a ranker that the code no longer has orders nothing.
            return Serving(system, last["watches"]) if system else None
    newest = model.in_service(lake, before, registry.RANKERS[0])
    return Serving(newest, newest.watches) if newest else None
