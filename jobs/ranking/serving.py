"""What orders the feeds: a model in service, or a plain order. This is the one place that says which.

Belongs here: reading the verdicts of the gate and the decisions of people, and taking such a decision down. The rule of
the gate: gate.py. Where a model's file lies: model.py. What it is used for: train.py (what a new model has to beat) and
jobs/feeds/build.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.tables import Tables
from jobs.errors import ReelmillError
from jobs.ranking import model
from jobs.ranking.model import InService
from jobs.ranking.orders import Order, order_of, plain_orders
from jobs.ranking.rankers import registry

if TYPE_CHECKING:
    from deltalake import DeltaTable

VERDICTS, PROMOTIONS = "gold.verdicts", "ops.promotions"


class NothingServed(ReelmillError):
    """There is no such model, or nothing that served before."""


@dataclass(frozen=True)
class Serving:
    """What serves, and how many watches there were when that was last judged; None before that was written down."""

    system: InService | Order
    watches: int | None


@dataclass(frozen=True)
class Turn:
    """From a night on, a system serves: because the gate said so, or a person. `watches` is None for a person."""

    event_date: date
    system: str
    why: str
    watches: int | None

    @property
    def is_by_a_person(self) -> bool:
        return self.watches is None


def turns(tables: Tables, versions: Mapping[str, int | None]) -> list[Turn]:
    """Every verdict and every decision of a person, in the order in which they count.

    `versions` names the tables that there are, each at a version, None for the newest.
    """
    opened = {table: tables.open(table, version) for table, version in versions.items()}
    judged = [row for row in _rows(opened.get(VERDICTS)) if row["is_judged"] and row["is_serving"]]
    told = [Turn(row["event_date"], row["system"], row["why"], row["watches"]) for row in judged]
    decided = sorted(_rows(opened.get(PROMOTIONS)), key=lambda row: row["decided_at"])
    told += [Turn(row["event_date"], row["system"], row["why"], None) for row in decided]
    # Stable: a decision of the same night was made after its verdict.
    return sorted(told, key=lambda turn: turn.event_date)


def turns_of(tables: Tables) -> list[Turn]:
    """The same of the newest tables, for people."""
    return turns(tables, {table: None for table in (VERDICTS, PROMOTIONS) if tables.is_there(table)})


def serving(lake: Lake, before: date) -> Serving | None:
    """What serves by the last verdict, or the decision of a person after it, on a night before that day.

    None where there was none. On a lake without either it is the newest model that was promoted. Raises ModelMissing
    when its file is gone.
    """
    versions = {table: lake.pin(table) for table in (VERDICTS, PROMOTIONS) if lake.exists(table)}
    so_far = [turn for turn in turns(lake.tables, versions) if turn.event_date < before]
    if so_far:
        system = system_of(lake, so_far[-1].system)
        watches = next((turn.watches for turn in reversed(so_far) if not turn.is_by_a_person), None)
        # A source or a ranker that the code no longer has orders nothing.
        return Serving(system, watches) if system else None
    newest = model.in_service(lake, before, registry.RANKERS[0])
    return Serving(newest, newest.watches) if newest else None


def system_of(lake: Lake, name: str) -> InService | Order | None:
    """The plain order or the model of that name; None where the code or the lake has it no more.

    Raises ModelMissing when a model's file is gone.
    """
    return order_of(name) or model.of_version(lake, name)


def promote(lake: Lake, system: str, night: date, why: str) -> Turn:
    """Let a model or a plain order serve from a night on, until the gate finds something better.

    Raises NothingServed when there is none of that name, and ModelMissing when its file is gone.
    """
    if system_of(lake, system) is None:
        plain = ", ".join(order.version for order in plain_orders())
        raise NothingServed(
            f"There is no model {system}, nor a plain order of that name ({plain}). "
            "`reelmill models list` names the models."
        )
    row = {"decided_at": datetime.now(UTC), "event_date": night, "system": system, "why": why}
    lake.merge(PROMOTIONS, rows_of(lake.spark, PROMOTIONS, [row]))
    return Turn(night, system, why, None)


def before_now(tables: Tables) -> Turn:
    """The newest turn of what served before that which serves now. Raises NothingServed."""
    told = turns_of(tables)
    other = [turn for turn in told if turn.system != told[-1].system]
    if not other:
        raise NothingServed("Nothing else has served before, so there is nothing to go back to.")
    return other[-1]


def _rows(table: DeltaTable | None) -> list[dict[str, Any]]:
    return table.to_pyarrow_table().to_pylist() if table else []
