"""Of each feature, every night: whether what was scored is what was true, and whether it is as in the training set.

Belongs here: which values are compared, and the table of what is found. The arithmetic: skew.py and drift.py. What was
scored, of a few viewers: jobs/feeds/build.py keeps it. Limits and what to do beyond them: the table's contract.

Skew compares the night before with what its features are now, as of the instant at which it scored: events that came
late since have changed the feature tables, and training would learn from the changed ones, by the same join. Source
features are compared with the candidates that were kept; what sources would propose by now is not asked again. Drift
compares tonight with the rows of tonight's training set that judge: every candidate of a past moment, as tonight. Those
that teach are what was shown of it, another selection from which most features differ every night
(docs/decisions/0041).

All of it is bounded, and lies in this process: the rows of a few viewers, and the training set, which training reads as
well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import data_contracts
from feature_repo.definitions import views
from jobs.engine.frames import rows_of
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.feeds.build import SCORED
from jobs.ops.drift import LEAST_THINGS, deciles, drift, null_share, shift_of_chance
from jobs.ops.skew import skew
from jobs.ranking.features import AGE, ranker_features, side_by_side, with_age
from jobs.ranking.sources import registry
from jobs.ranking.training_set import EXAMPLES, of_night

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

QUALITY, CANDIDATES, VIDEOS = "ops.feature_quality", "gold.candidates", "silver.videos"
PAIR = ["user_id", "video_id"]
# What the ages of things are called: of videos in jobs/ranking/features.py, and of dates in jobs/features/store.py.
DAYS_SINCE = "days_since_"
# Of shares and errors: further ones are noise.
DECIMALS = 6


@dataclass(frozen=True)
class Compared:
    """An earlier night: for the same rows, the values that were scored and those that are true, a column a feature."""

    night: date
    scored: pd.DataFrame
    true: pd.DataFrame


def quality(night: date, scored: pd.DataFrame, examples: pd.DataFrame, before: Compared | None) -> list[dict[str, Any]]:
    """The rows of ops.feature_quality: one for each feature of the ranker.

    `scored` and `examples` have user_id, video_id and the features that their runs knew; `before` is None on the first
    night. Without an example nothing has drifted, nor has a feature that is new to either.
    """
    limits = data_contracts.load(QUALITY).limits
    rows = []
    for feature in ranker_features():
        row: dict[str, Any] = {
            "event_date": night,
            "feature": feature,
            "table_name": _origin(feature),
            "scored_rows": len(scored),
        }
        row |= _drift(feature, scored, examples) | _skew(feature, before)
        row["is_within_limits"] = all((row.get(name) or 0) <= limit.at_most for name, limit in limits.items())
        rows.append(row)
    return rows


def _drift(feature: str, scored: pd.DataFrame, examples: pd.DataFrame) -> dict[str, Any]:
    if feature not in scored:
        return {"scored_null_share": 1.0, "scored_deciles": []}
    now = scored[feature].to_numpy()
    found: dict[str, Any] = {"scored_null_share": _rounded(null_share(now)), "scored_deciles": deciles(now)}
    if examples.empty or feature not in examples:
        return found
    then, things = examples[feature].to_numpy(), (_independent(examples), _independent(scored))
    shares = null_share(then), null_share(now)
    # Those without a value say nothing of how values are distributed.
    valued = _valued(examples, feature), _valued(scored, feature)
    found_drift = drift(then, now, valued)
    is_told = min(valued) >= LEAST_THINGS and DAYS_SINCE not in feature
    return found | {
        "example_rows": len(examples),
        "example_null_share": _rounded(shares[0]),
        "example_deciles": deciles(then),
        "null_shift": _beyond(abs(shares[1] - shares[0]), shift_of_chance(shares, things)),
        "psi": _rounded(found_drift.psi),
        # Days since something are one more every day, of everybody who began together.
        "psi_beyond_chance": _beyond(found_drift.psi, found_drift.of_chance) if is_told else None,
    }


def _skew(feature: str, before: Compared | None) -> dict[str, Any]:
    # A feature that is new was not scored then.
    if before is None or feature not in before.scored:
        return {}
    found = skew(before.scored[feature].to_numpy(), before.true[feature].to_numpy())
    return {
        "compared_date": before.night,
        "compared_rows": len(before.scored),
        "mismatch_share": _rounded(found.mismatch),
        "missing_share": _rounded(found.missing),
        "vanished_share": _rounded(found.vanished),
        "symmetric_error": _rounded(found.symmetric_error),
    }


def true_now(lake: Lake, pairs: DataFrame, night: Window) -> DataFrame:
    """The `pairs` (user_id, video_id) with the ranker's features as of the end of a night, by the tables of now.

    By the join of training, not by that of feeds: a fault of either one is skew.
    """
    from jobs.features.store import point_in_time

    at = F.lit(night.end).alias("at")
    viewers = F.broadcast(pairs.select("user_id").distinct())
    proposed = lake.of(CANDIDATES, night).join(viewers, on="user_id", how="left_semi").select("*", at)
    known = pairs.select(*PAIR, at).join(side_by_side(proposed), on=[*PAIR, "at"], how="left")
    aged = with_age(known, lake.read(VIDEOS, until=night.end))
    return point_in_time(lake, aged).select(*PAIR, *ranker_features())


def _before(lake: Lake, kept: ds.Dataset, day: date) -> Compared | None:
    """The newest night before the day of which it is kept what was scored."""
    import pyarrow.compute as pc

    dated = kept.to_table(["event_date"], filter=pc.field("event_date") < day)
    if not len(dated):
        return None
    night = Window.of_day(pc.max(dated["event_date"]).as_py())
    scored = _of_night(kept, night.day)
    true = true_now(lake, lake.of(SCORED, night), night).toArrow().to_pandas()
    return Compared(night.day, scored, scored[PAIR].merge(true, on=PAIR, how="left", validate="one_to_one"))


def _of_night(kept: ds.Dataset, day: date) -> pd.DataFrame:
    """What was scored on a night: user_id, video_id and a column for each of its features."""
    import pandas as pd
    import pyarrow.compute as pc

    rows = kept.to_table([*PAIR, "features"], filter=pc.field("event_date") == day).combine_chunks()
    frame = rows.select(PAIR).to_pandas()
    if frame.empty:
        return frame
    # One run has written all of a night, each row with the same features in the same order.
    names = [one["feature"] for one in rows["features"][0].as_py()]
    values = pc.struct_field(pc.list_flatten(rows["features"]), "value").to_numpy()
    return frame.join(pd.DataFrame(values.reshape(len(rows), len(names)), columns=names))


def judging(table: DeltaTable, day: date) -> pd.DataFrame:
    """The candidates of the moments that judge, without what was watched and no source proposed.

    A table of earlier code has no column of a feature that is new, and the frame has none then.
    """
    there = {field.name for field in table.schema().fields}
    examples = of_night(table, day, tuple(name for name in ranker_features() if name in there))
    ranks = [column for source in registry.SOURCES if (column := source.column("rank")) in there]
    return examples[examples["is_judging"].to_numpy(dtype=bool) & examples[ranks].notna().any(axis="columns")]


def _independent(rows: pd.DataFrame) -> int:
    """Of how many things the rows were drawn that say nothing of each other (drift.py)."""
    return min(len(rows["user_id"].unique()), len(rows["video_id"].unique()))


def _valued(rows: pd.DataFrame, feature: str) -> int:
    """The same of the rows that have a value of the feature; of none at all one thing is known."""
    return max(_independent(rows[rows[feature].notna()]), 1)


def _origin(feature: str) -> str:
    """The table that a feature is taken from."""
    view, _, rest = feature.partition("__")
    return views()[view].table if rest else VIDEOS if feature == AGE else CANDIDATES


def _beyond(value: float, chance: float) -> float:
    return max(_rounded(value - chance), 0.0)


def _rounded(value: float) -> float:
    return round(value, DECIMALS)


@job(
    every="night",
    reads=[SCORED, EXAMPLES, CANDIDATES, VIDEOS, "gold.user_daily", "gold.video_daily"],
    writes=[QUALITY],
)
def run(lake: Lake, window: Window) -> None:
    """Where nothing was scored, for want of a candidate, there is nothing to say."""
    kept = lake.tables.open(SCORED, lake.pin(SCORED)).to_pyarrow_dataset()
    scored = _of_night(kept, window.day)
    if scored.empty:
        return
    examples = judging(lake.tables.open(EXAMPLES, lake.pin(EXAMPLES)), window.day)
    found = quality(window.day, scored, examples, _before(lake, kept, window.day))
    lake.replace(QUALITY, rows_of(lake.spark, QUALITY, found), window)
