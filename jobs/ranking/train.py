"""Trains tonight's rankers, compares their lists with all that could serve in their place, and says which serves.

Belongs here: the order of that work, and the rows of gold.models and gold.verdicts. How each ranker learns: rankers/.
What they learn from and which of it judges: training_set.py. The comparison: judge.py. The rule: gate.py. Where the
models lie: model.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.engine.frames import rows_of
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events.marks import unmarked
from jobs.ranking import model
from jobs.ranking.features import PRIOR, ranker_features
from jobs.ranking.gate import PROMOTED, REJECTED, UNJUDGED, Decision, Defaults, decide
from jobs.ranking.guard_facts import GuardFacts, guard_facts
from jobs.ranking.judge import Compared, judge
from jobs.ranking.model import InService
from jobs.ranking.orders import FIRST, Order, plain_orders
from jobs.ranking.policy import Policy, policy_of
from jobs.ranking.rankers import registry
from jobs.ranking.rankers.ranker import Model, Ranker, Trained
from jobs.ranking.serving import PROMOTIONS, VERDICTS, Serving, serving
from jobs.ranking.sources.popularity import POPULARITY
from jobs.ranking.stages.known import READS, RECALLS, looked_up
from jobs.ranking.training_set import EXAMPLES, Split, judging, of_night, ordered, split

if TYPE_CHECKING:
    import pandas as pd

WATCHES, VIDEOS = "silver.watches", "silver.videos"


@dataclass(frozen=True)
class Night:
    """What every ranker of a night learns from and is judged by: `ordered` examples, their features, how many watches
    there are, what the guards look at lists by, and the policy that makes them."""

    day: date
    rows: pd.DataFrame
    features: tuple[str, ...]
    watches: int
    facts: GuardFacts
    policy: Policy

    @cached_property
    def digest(self) -> str:
        """A hash of the examples. Delta versions are no use for one: a killed run that is repeated leaves one version
        more and the same rows."""
        import pandas as pd

        hashes = pd.util.hash_pandas_object(self.rows, index=False)
        return hashlib.sha256(hashes.to_numpy().tobytes()).hexdigest()


@dataclass(frozen=True)
class Challenger:
    """A model of tonight: its version, which names its file, and what training gave."""

    ranker: Ranker
    version: str
    trained: Trained

    @property
    def path(self) -> str:
        """Where its file lies in the model store."""
        return f"{self.version}/{self.ranker.file}"


@dataclass(frozen=True)
class Judged:
    """What a night comes to: tonight's models, the comparison and what follows from it, as rows of both tables."""

    challengers: list[Challenger]
    compared: Compared
    decision: Decision
    models: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]


def train(night: Night, last: Serving | None) -> Judged | None:
    """Train all rankers, judge them beside the plain orders and what serves by the `last` verdict, and decide.

    None when there is no moment to judge by. Where the examples do not reach for a training, the plain orders are
    judged alone.
    """
    champion = last.system if last and isinstance(last.system, InService) else None
    judges = judging(night.rows, champion.trained_until if champion else None)
    if not (judges["label"] > 0).any():
        return None
    parts, challengers = split(night.rows), []
    if parts is not None:
        for ranker in registry.RANKERS:
            challengers.append(Challenger(ranker, version_of(ranker, night), ranker.train(parts, night.features)))
    orders = plain_orders()
    systems: dict[str, Model] = {order.version: order for order in orders}
    if champion:
        systems[champion.version] = champion.load()
    # Read back from the bytes, since that is what will serve.
    systems |= {one.version: one.ranker.load(one.trained.content) for one in challengers}
    compared = judge(judges, systems, night.facts, night.policy)
    decision = decide(
        compared,
        [order.version for order in orders],
        [one.version for one in challengers],
        last.system.version if last else None,
        night.watches - last.watches if last and last.watches is not None else None,
        Defaults(FIRST.version, Order(POPULARITY).version),
    )
    begin = _utc(judges["at"].min().floor("D"))
    models = [_model(night, parts, one, compared, decision, champion, begin) for one in challengers if parts]
    kinds = {order.version: order.kind for order in orders} | {one.version: "challenger" for one in challengers}
    verdicts = list(_verdicts(night, compared, decision, kinds, begin))
    return Judged(challengers, compared, decision, models, verdicts)


def _model(
    night: Night,
    parts: Split,
    one: Challenger,
    compared: Compared,
    decision: Decision,
    champion: InService | None,
    begin: datetime,
) -> dict[str, Any]:
    """The row of gold.models of one of tonight's."""
    verdict = PROMOTED if decision.serves == one.version else REJECTED
    data = {"table": EXAMPLES, "event_date": night.day.isoformat(), "rows": len(night.rows), "sha256": night.digest}
    return {
        "model_version": one.version,
        "model_name": one.ranker.name,
        "event_date": night.day,
        "verdict": verdict if decision.is_judged else UNJUDGED,
        "why": decision.why[one.version],
        "ndcg_at_10": compared.mean(one.version).value,
        "popularity_ndcg_at_10": compared.mean(Order(POPULARITY).version).value,
        "item_item_ndcg_at_10": compared.mean(Order(PRIOR).version).value,
        "in_service_ndcg_at_10": compared.mean(champion.version).value if champion else None,
        "in_service_version": champion.version if champion else None,
        "evaluated_from": begin,
        "evaluated_groups": compared.moments,
        "evaluated_viewers": compared.viewers,
        "trained_until": _utc(parts.stopping["at"].max()),
        "trained_rows": len(parts.training),
        "watches": night.watches,
        "trees": one.trained.rounds,
        "starts_from": one.trained.starts_from,
        "parameters": json.dumps(one.ranker.parameters, sort_keys=True),
        "data": json.dumps(data, sort_keys=True),
        "path": one.path,
    }


def _verdicts(
    night: Night, compared: Compared, decision: Decision, kinds: Mapping[str, str], begin: datetime
) -> Iterator[dict[str, Any]]:
    """The rows of gold.verdicts: one for each system."""
    for name in compared.systems:
        figure, difference = compared.mean(name), compared.difference(name, decision.serves)
        yield {
            "event_date": night.day,
            "system": name,
            "kind": kinds.get(name, "champion"),
            "is_serving": name == decision.serves,
            "is_judged": decision.is_judged,
            "why": decision.why[name],
            "ndcg_at_10": figure.value,
            "ndcg_at_10_low": figure.low,
            "ndcg_at_10_high": figure.high,
            "difference": difference.value,
            "difference_low": difference.low,
            "difference_high": difference.high,
            **compared.guarded[name]._asdict(),
            "viewers": compared.viewers,
            "moments": compared.moments,
            "judged_from": begin,
            "watches": night.watches,
        }


def version_of(ranker: Ranker, night: Night) -> str:
    """The night and a hash of what makes the model what it is: the same training gives the same version."""
    # The versions of the ranker that was there before rankers had names hash none.
    name = [] if ranker.name == model.UNNAMED else [ranker.name]
    made_of = json.dumps([night.digest, ranker.parameters, *ranker.limits, *name], sort_keys=True)
    return f"{night.day:%Y%m%d}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"


def _utc(moment: pd.Timestamp) -> datetime:
    """Spark's frames hold UTC without saying so; a datetime that does not say so would be taken for local time."""
    return moment.tz_localize("UTC").to_pydatetime()  # type: ignore[no-any-return]


def _facts(lake: Lake, window: Window, rows: pd.DataFrame, policy: Policy) -> GuardFacts:
    """What the guards look at the lists by of those who judge, and what makes them, as before the first judged day."""
    judges = judging(rows, seen=None)
    videos = lake.read(VIDEOS, until=window.end)
    begin = _utc(judges["at"].min().floor("D"))
    known = looked_up(lake, videos, begin, policy.needs)
    return guard_facts(unmarked(lake.read(WATCHES, until=begin)), videos, judges["user_id"].unique().tolist(), known)


@job(
    every="night",
    reads=[EXAMPLES, WATCHES, VIDEOS, *READS, model.MODELS, VERDICTS, PROMOTIONS],
    recalls=RECALLS,
    writes=[model.MODELS, VERDICTS],
)
def run(lake: Lake, window: Window) -> None:
    """Without enough examples there is no model tonight, and the feeds keep the order they had: no failure."""
    if not lake.exists(EXAMPLES):
        return
    features = ranker_features()
    rows = ordered(of_night(lake.tables.open(EXAMPLES, lake.pin(EXAMPLES)), window.day, features))
    if judging(rows, seen=None).empty:
        return
    watches = unmarked(lake.read(WATCHES, until=window.end)).count()
    policy = policy_of(lake.settings)
    night = Night(window.day, rows, features, watches, _facts(lake, window, rows, policy), policy)
    judged = train(night, serving(lake, window.day))
    if judged is None:
        return
    # The files before the rows that name them, and all rows of a table in one commit.
    for one in judged.challengers:
        model.save(lake.settings.models, one.path, one.trained.content)
    if judged.models:
        lake.replace(model.MODELS, rows_of(lake.spark, model.MODELS, judged.models), window)
    lake.replace(VERDICTS, rows_of(lake.spark, VERDICTS, judged.verdicts), window)
