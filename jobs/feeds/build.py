"""Everybody's feed for tonight: candidates, scored by what serves, spaced, each slot with its reason.

Belongs here: the feeds of a night and their reasons, and what a sample of viewers was scored by. What becomes of the
candidates of a few viewers: slots.py. The candidates, the ranker and the policy: jobs/ranking. Who gets another one of
these: arms.py. Slots that chance fills: draws.py. Handing feeds to the endpoint: publish.py. What the sample is for:
jobs/ops/feature_quality.py.

The candidates of each viewer come to lie together, and a Spark task makes whole feeds of them, so a night is one
exchange of the candidates by viewer. The ranker is a file of some hundred kilobytes that travels with the task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine.batches import whole_groups
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.runs import has_run
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.feeds.arms import Maker, Makers, comparison_of, makers
from jobs.feeds.draws import CHANCE, REASON, Explored, explored
from jobs.feeds.slots import Candidates, Catalogue, Columns, candidates_of, catalogue_of, placed_of
from jobs.ranking.features import VIDEO, ties, with_age
from jobs.ranking.model import InService
from jobs.ranking.orders import FIRST, Order
from jobs.ranking.policy import Policy, policy_of
from jobs.ranking.serving import PROMOTIONS, VERDICTS, serving
from jobs.ranking.sources import registry
from jobs.ranking.spacing import SLOTS
from jobs.ranking.stages.known import READS, RECALLS, looked_up
from jobs.ranking.stages.stage import Need
from serving.feed_store.layout import version_of

if TYPE_CHECKING:
    from pyspark import Broadcast

    from jobs.ranking.rankers.ranker import Scorer

    Work = Callable[[pa.Table, Catalogue, Candidates, Sequence[Scorer]], pa.Table]

FEEDS, SCORED = "gold.feeds", "gold.scored_features"
VIEWER = "user_id"
# Rows that are made into feeds at once: some 700 viewers, 250 bytes a row. Each time the ids of all videos are hashed.
AT_ONCE = 200_000
SLOT = (
    "user_id string, video_id string, position int, score double, source string, because string, title string, "
    "propensity double, maker int"
)
# Of so many viewers it is kept what their candidates were scored by, the same ones every night while they are there:
# by chance alone, the features of another 500 would differ by an index of 0.04 (jobs/ops/drift.py).
FEW = 500
KEPT = "user_id string, video_id string, score double, features array<struct<feature:string,value:float>>"


class NotServed(ReelmillError):
    """The ranker reads features that describe neither a viewer nor a video."""


@dataclass(frozen=True)
class Tonight:
    """What everybody's feed is made of: `said` has gold.candidates, and a row of `facts` for each viewer."""

    said: DataFrame
    catalogue: Catalogue
    columns: Columns
    policy: Policy

    @cached_property
    def shared(self) -> Broadcast[Catalogue]:
        """The catalogue as Spark tasks have it, sent to them once."""
        return self.said.sparkSession.sparkContext.broadcast(self.catalogue)


def tonight(lake: Lake, candidates: DataFrame, at: datetime, needs: Set[Need] = frozenset()) -> Tonight:
    """Tonight's candidates with all that is known at `at` of their viewers and of all videos. Raises NotServed.

    Beside what the policy that makes the feeds has looked up, what another one `needs`.
    """
    from jobs.features.store import as_of, feature_names

    videos = lake.read("silver.videos", until=at)
    policy = policy_of(lake.settings)
    described = videos.select(VIDEO, "title", F.lit(at).alias("at"))
    known = looked_up(lake, videos, at, policy.needs | needs)
    of_videos = as_of(lake, with_age(described.join(known, on=VIDEO, how="inner"), videos), at)
    of_viewers = as_of(lake, candidates.select(VIEWER).distinct(), at)
    names = feature_names()
    video_names, viewer_names = ([n for n in names if n in frame.columns] for frame in (of_videos, of_viewers))
    if unread := set(names) - {*video_names, *viewer_names}:
        raise NotServed(
            f"The ranker reads {', '.join(sorted(unread))}, and feeds are made with what describes a viewer or a video "
            "alone: take them out of the service in feature_repo/definitions.py, or let slots.py join them."
        )
    facts = of_viewers.select(VIEWER, F.array(*[F.col(name).cast("double") for name in viewer_names]).alias("facts"))
    said = candidates.select(VIEWER, VIDEO, "source", "score", "rank", "because")
    return Tonight(
        said.unionByName(facts, allowMissingColumns=True),
        catalogue_of(of_videos.toArrow(), tuple(video_names)),
        Columns(registry.SOURCES, ties(), tuple(viewer_names)),
        policy,
    )


def slots(tonight: Tonight, makers: Makers, day: date, share: float) -> DataFrame:
    """Whole feeds, as SLOT: `source` is the first one that proposed the video, `title` that of the video it went by.

    `maker` is the place of what made the feed among the makers. That `share` of the slots is filled by chance, and has
    a `propensity`.
    """
    columns = tonight.columns  # which a task may have, unlike a frame

    def place(rows: pa.Table, catalogue: Catalogue, made: Candidates, models: Sequence[Scorer]) -> pa.Table:
        maker = makers.drawn(made.viewers.to_pylist())[made.viewer]
        scores, position = np.empty(len(maker)), np.empty(len(maker), dtype=np.int64)
        for number, (one, model) in enumerate(zip(makers.each, models, strict=True)):
            if len(own := np.flatnonzero(maker == number)):
                placed = placed_of(made.of(own), catalogue, columns, model, one.policy)
                scores[own], position[own] = placed.scores, placed.position
        drawn = explored(made.viewers, made.viewer, position, day, share)
        return _shown(rows, catalogue, made, scores, maker, drawn)

    return by_viewer(tonight, tonight.said, [one.system for one in makers.each], place, SLOT)


def scored(tonight: Tonight, served: InService | Order, day: date) -> DataFrame:
    """The rows of gold.scored_features: what the candidates of FEW viewers are scored by, in the arrays of `slots`."""
    proposed = tonight.said.where(F.col("source").isNotNull())
    few = proposed.select(VIEWER).distinct().orderBy(F.xxhash64(VIEWER), VIEWER).limit(FEW).collect()
    # Ids that are known when the query is planned are looked for in the tables, before facts are joined.
    theirs = tonight.said.where(F.col(VIEWER).isin([row[VIEWER] for row in few]))
    return by_viewer(tonight, theirs, [served], _kept, KEPT).select(F.lit(day).alias("event_date"), "*")


def feeds(slots: DataFrame, day: date, makers: Makers) -> DataFrame:
    """The rows of gold.feeds from `slots`: the reason is in the words of the source, or says that it was chance."""
    title = F.when(F.trim("title") != "", F.col("title"))
    named = F.coalesce(title, F.col("because"))
    is_drawn = F.col("propensity").isNotNull()
    words = [F.when(F.col("source") == s.name, s.reason(F.col("because"), named)) for s in registry.SOURCES]
    return slots.select(
        VIEWER,
        "position",
        F.lit(version_of(day, makers.version)).alias("feed_version"),
        F.lit(day).alias("event_date"),
        VIDEO,
        "score",
        F.when(is_drawn, F.lit(REASON)).otherwise(F.coalesce(*words)).alias("reason"),
        _said(makers, lambda one: one.system.version).alias("model_version"),
        "propensity",
        F.when(is_drawn, F.lit(CHANCE)).otherwise(F.col("source")).alias("source"),
        _said(makers, lambda one: one.policy.version).alias("policy_version"),
        F.lit(makers.comparison.name if makers.comparison else None).cast("string").alias("comparison"),
        _said(makers, lambda one: one.arm.name if one.arm else None).cast("string").alias("feed_arm"),
        _said(makers, lambda one: one.arm.share if one.arm else None).cast("double").alias("arm_share"),
    )


def _said(makers: Makers, of: Callable[[Maker], str | float | None]) -> Column:
    """What is so of the maker of a slot."""
    return F.array(*[F.lit(of(one)) for one in makers.each])[F.col("maker")]


def by_viewer(
    tonight: Tonight, said: DataFrame, systems: Sequence[InService | Order], work: Work, schema: str
) -> DataFrame:
    """What `work` makes of what is `said` of whole viewers, in Spark tasks."""
    columns, shared = tonight.columns, tonight.shared

    def make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue, models = shared.value, [system.load() for system in systems]
        for rows in whole_groups(batches, VIEWER, AT_ONCE):
            made = candidates_of(rows, catalogue, columns)
            if len(made.frame):
                yield from work(rows, catalogue, made, models).to_batches()

    # By a hash first, which tells viewers apart by comparing numbers.
    together = said.repartition(VIEWER).sortWithinPartitions(F.xxhash64(VIEWER), VIEWER)
    return together.mapInArrow(make, schema)


def _kept(rows: pa.Table, catalogue: Catalogue, made: Candidates, models: Sequence[Scorer]) -> pa.Table:
    """All candidates with what they are scored by, as KEPT."""
    (model,) = models
    names, values = list(made.frame.columns), made.frame.to_numpy(dtype=np.float32)
    flat = pa.StructArray.from_arrays(
        [
            pa.array(names).take(pa.array(np.tile(np.arange(len(names)), len(values)))),
            pa.array(values.ravel(), from_pandas=True),
        ],
        names=["feature", "value"],
    )
    ends = np.arange(len(values) + 1, dtype=np.int32) * len(names)
    return pa.table(
        {
            VIEWER: made.viewers.take(pa.array(made.viewer)),
            VIDEO: catalogue.videos.take(pa.array(made.video)),
            "score": model.score(made.frame),
            "features": pa.ListArray.from_arrays(ends, flat),
        }
    )


def _shown(
    rows: pa.Table,
    catalogue: Catalogue,
    made: Candidates,
    scores: NDArray[np.float64],
    maker: NDArray[np.int64],
    drawn: Explored,
) -> pa.Table:
    """The slots of the feeds, as SLOT."""
    shown = np.flatnonzero(drawn.position < SLOTS)
    said = rows.take(made.first[shown])
    because = said["because"].combine_chunks()
    titles = catalogue.titles.take(pc.index_in(because, value_set=catalogue.videos))
    return pa.table(
        {
            VIEWER: said[VIEWER],
            VIDEO: said[VIDEO],
            "position": drawn.position[shown].astype(np.int32),
            "score": scores[shown],
            "source": said["source"],
            "because": because,
            "title": titles,
            "propensity": pa.array(drawn.propensity[shown], from_pandas=True),
            "maker": maker[shown].astype(np.int32),
        }
    )


@job(
    every="night",
    reads=[
        "gold.candidates",
        "gold.models",
        VERDICTS,
        PROMOTIONS,
        "gold.user_daily",
        "silver.videos",
        *READS,
    ],
    recalls=RECALLS,
    writes=[FEEDS, SCORED],
)
def run(lake: Lake, window: Window) -> None:
    candidates = lake.of("gold.candidates", window)
    last = serving(lake, window.day + timedelta(days=1))
    comparison = comparison_of(lake.settings)
    needs = comparison.needs if comparison else frozenset()
    served, known = last.system if last else FIRST, tonight(lake, candidates, window.end, needs)
    who = makers(lake, comparison, served, known.policy)
    made = feeds(slots(known, who, window.day, lake.settings.explore), window.day, who)
    # Without a candidate there is no feed: a fact if that is what the night's candidates came to.
    is_fact = has_run("ranking.candidates", window, lake.settings)
    lake.replace(FEEDS, made, window, empty_is_a_fact=is_fact)
    lake.replace(SCORED, scored(known, served, window.day), window, empty_is_a_fact=is_fact)
