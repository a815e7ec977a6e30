"""VK-LSVD (short video): weeks of interactions in the order of their rows, the last two to choose and to judge.

Belongs here: its rules. The data set's card (huggingface.co/datasets/deepvk/VK-LSVD; Poslavsky et al., "VK-LSVD: A
Large-Scale Industrial Dataset for Short-Video Recommendation", arXiv 2602.04567) gives:

- files week_NN.parquet (user_id, item_id, timespent, like, share, ...): weeks 0 to 24 train, 25 validates, 26 tests;
- rows of a file in the order of time, without times;
- no pair of a user and a video twice, so what was shown before can be no positive of the test: no list holds it.

What we could not find there is which interactions are positive, who is judged, and at which cut-offs lists are judged.
The positives are ours: a like. So is that everybody with one in the test is judged, and the lengths 10, 20 and 100.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jobs.evaluation.data import Files
from jobs.evaluation.files import TIME, USER, VIDEO, BadFile
from jobs.evaluation.published.published import Cut, Published, columns_of, written

if TYPE_CHECKING:
    import pyarrow as pa

VALIDATES, TESTS = 25, 26
NAME = re.compile(r"week_(\d\d)\.parquet$")
WEEK = 7 * 86_400
# The files say no time. The weeks begin at the first Monday of 1970, and rows are spread evenly over their week.
BEGIN = 4 * 86_400


def cut(paths: Sequence[Path], folder: Path) -> Cut:
    """The files of all weeks, cut."""
    import pyarrow as pa
    import pyarrow.compute as pc

    weeks = {_week(path): path for path in paths}
    if len(weeks) < len(paths):
        raise BadFile("Two of the files are of one week; name those of one subsample only.")
    shown = {week: _shown(path, week) for week, path in sorted(weeks.items())}
    liked = {week: rows.filter(rows["like"]).drop_columns(["like"]) for week, rows in shown.items()}
    train = [rows for week, rows in liked.items() if week < VALIDATES]
    if not train or VALIDATES not in weeks or TESTS not in weeks:
        raise BadFile(f"The protocol vk-lsvd needs weeks before {VALIDATES}, week {VALIDATES} and week {TESTS}.")
    before = pa.concat_tables([rows for week, rows in shown.items() if week < TESTS])
    refused = before.filter(pc.invert(before["like"])).drop_columns(["like"])
    files = Files(
        written(pa.concat_tables(train), folder, "train"),
        written(liked[VALIDATES], folder, "valid"),
        refused=written(refused, folder, "refused"),
    )
    return Cut(files, written(liked[TESTS], folder, "test"))


def _shown(path: Path, week: int) -> pa.Table:
    """The rows of a week with a time, and whether they are likes."""
    rows = columns_of(path, ["user_id", "item_id", "like"])
    at = BEGIN + week * WEEK + np.arange(len(rows)) * WEEK // max(len(rows), 1)
    is_liked = rows["like"].to_numpy().astype(np.bool_)
    pairs = rows.select(["user_id", "item_id"]).rename_columns([USER, VIDEO])
    return pairs.append_column(TIME, [at]).append_column("like", [is_liked])


def _week(path: Path) -> int:
    found = NAME.search(path.name)
    if not found:
        raise BadFile(f"{path} is not named as VK-LSVD names its files: week_00.parquet to week_26.parquet.")
    return int(found[1])


VK_LSVD = Published(
    "vk-lsvd",
    ks=(10, 20, 100),
    rules=(
        "protocol vk-lsvd (arXiv 2602.04567): weeks 0 to 24 train, 25 validates, 26 tests; nothing that was shown "
        "before is in a list",
        "a positive is a like: the data set's authors name none",
    ),
    cut=cut,
)
