"""Tonight's examples as arrays: read past the JVM, cut in time, thinned where they teach and whole where they judge.

Belongs here: which examples train, stop and judge. Making them, and how many there are at most: examples.py. Which days
judge: moments.py. Learning from them: train.py.

Time runs training < early stopping < judging: nothing is judged on moments that it was trained on or stopped by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from deltalake import DeltaTable
    from numpy.typing import NDArray

EXAMPLES = "gold.examples"
KEY = ["user_id", "video_id", "shown_at"]
GROUP = ["at", "user_id"]
STOPPING_SHARE = 0.15
# Without impressions a candidate that was not watched is a negative, of which training keeps every NEGATIVES-th, by a
# hash: the same ones whenever it runs again. Whether one is kept must not depend on any feature: with all the negatives
# that item_item ranks high and a fifth of the others, the ranker learned that the others are watched five times as
# often. What stops and what judges sees every candidate, as serving does.
NEGATIVES = 3


@dataclass(frozen=True)
class Split:
    """Examples of two spans of time, the older first, each sorted by group. Those that judge are not in it."""

    training: pd.DataFrame
    stopping: pd.DataFrame


def of_night(table: DeltaTable, day: date, features: tuple[str, ...]) -> pd.DataFrame:
    """The night's rows of gold.examples: KEY, at, position, label, is_judging and the features, these as float32.

    Times are UTC without saying so. Read from the table's files by Arrow: through Spark, every row would pass the
    driver's heap.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    columns = [*KEY, "at", "position", "label", "is_judging", *features]
    rows = table.to_pyarrow_dataset().to_table(columns=columns, filter=ds.field("event_date") == pa.scalar(day))
    for time in ("shown_at", "at"):
        rows = rows.set_column(columns.index(time), time, rows[time].cast(pa.timestamp("us")))
    for feature in features:
        # Integers above 2^24 are rounded, which no order that matters hangs on.
        numbers = pc.cast(rows[feature], pa.float32(), safe=False)
        rows = rows.set_column(columns.index(feature), feature, numbers)
    # Each column's Arrow memory goes as soon as its pandas column is there.
    frame: pd.DataFrame = rows.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def ordered(examples: pd.DataFrame) -> pd.DataFrame:
    """The examples by group, in the one order that makes everything computed from them repeatable."""
    return examples.sort_values([*GROUP, "video_id", "shown_at"], ignore_index=True)


def judging(rows: pd.DataFrame, seen: datetime | None) -> pd.DataFrame:
    """Of `ordered` examples those that judge.

    `seen` is the newest moment that the model in service was trained on: days up to it judge nobody.
    """
    import pandas as pd

    judges = rows["is_judging"].to_numpy(dtype=bool)
    if seen is not None:
        later = pd.Timestamp(seen.astimezone(UTC).replace(tzinfo=None)).floor("D") + pd.Timedelta(days=1)
        judges &= (rows["at"] >= later).to_numpy()
    return rows[judges]


def split(rows: pd.DataFrame) -> Split | None:
    """Cut the `ordered` examples that do not judge in time; None when they do not reach for both parts."""
    earlier = rows[~rows["is_judging"].to_numpy(dtype=bool)]
    groups = earlier.drop_duplicates(GROUP)["at"]
    if groups.nunique() < 2:
        return None
    # Groups of one instant stay together, and training keeps at least the oldest instant.
    stop = max(groups.iloc[int(len(groups) * (1 - STOPPING_SHARE))], sorted(groups.unique())[1])
    return Split(thinned(earlier[earlier["at"] < stop]), earlier[earlier["at"] >= stop])


def group_sizes(rows: pd.DataFrame) -> NDArray[np.int64]:
    """How many rows each group of `ordered` rows has, in their order."""
    sizes: NDArray[np.int64] = rows.groupby(GROUP, sort=True).size().to_numpy()
    return sizes


def thinned(training: pd.DataFrame) -> pd.DataFrame:
    """Without most of what was neither shown nor watched; what was shown and ignored is all there."""
    import pandas as pd

    is_candidate = training["shown_at"] == training["at"]
    draw = pd.util.hash_pandas_object(training[["user_id", "video_id", "at"]], index=False)
    return training[~is_candidate | (training["label"] > 0) | (draw % NEGATIVES == 0)]
