"""Yambda-5B (music): a global cut in time with gaps; what was heard may be recommended again.

Belongs here: its rules. They stand in Ploshkin et al., "Yambda-5B - A Large-Scale Multi-modal Dataset for Ranking And
Retrieval" (arXiv 2505.22238, RecSys 2025), and in the code beside the data set (huggingface.co/datasets/yandex/yambda,
benchmarks/yambda: constants.py, processing/timesplit.py, evaluation/ranking.py and metrics.py):

- one flat file, likes.parquet or listens.parquet (uid, item_id, timestamp in seconds from an instant of theirs; listens
  have played_ratio_pct). A listen counts when at least half of the track was played ("Listen+");
- the test is the last day, from 25,913,600 on; 30 minutes before it belong to nothing; the validation is the day before
  that gap, and has one before itself;
- only users of the training are judged; tracks that the training has not stay among what is to be found;
- nothing is masked; every track of the training is ranked, and lists are cut at 10, 50 and 100;
- recall is over min(k, positives), our `recall_capped`. nDCG as ours; some versions of their code had other ones.

Where we differ: a user's pair counts once in a part, as it first was there; their code may count a track twice that was
heard twice. Their last fit has the 30 minutes before the validation day too, and judges users that only these or that
day have.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.evaluation.data import Files
from jobs.evaluation.files import TIME, USER, VIDEO, BadFile
from jobs.evaluation.published.published import Cut, Published, columns_of, names_of, written

if TYPE_CHECKING:
    import pyarrow as pa

HOUR = 3_600
TEST_FROM = 26_000_000 - 24 * HOUR
GAP, VALIDATION = HOUR // 2, 24 * HOUR
VALID_UNTIL = TEST_FROM - GAP
VALID_FROM = VALID_UNTIL - VALIDATION
TRAIN_UNTIL = VALID_FROM - GAP
PLAYED, LISTENED = "played_ratio_pct", 50


def cut(paths: Sequence[Path], folder: Path) -> Cut:
    """One file of likes or of listens, cut."""
    import pyarrow.compute as pc

    if len(paths) != 1:
        raise BadFile("The protocol yambda reads one flat file: likes.parquet or listens.parquet.")
    (path,) = paths
    events = _events(path)
    at = events["timestamp"]
    train = events.filter(pc.less(at, TRAIN_UNTIL))
    is_judged = pc.is_in(events["uid"], value_set=pc.unique(train["uid"]))
    valid = events.filter(pc.and_(is_judged, pc.and_(pc.greater_equal(at, VALID_FROM), pc.less(at, VALID_UNTIL))))
    test = events.filter(pc.and_(is_judged, pc.greater_equal(at, TEST_FROM)))
    parts = {"train": train, "valid": valid, "test": test}
    found = {name: written(rows.rename_columns([USER, VIDEO, TIME]), folder, name) for name, rows in parts.items()}
    return Cut(Files(found["train"], found["valid"], repeats=True), found["test"])


def _events(path: Path) -> pa.Table:
    """What counts of a file: uid, item_id, timestamp."""
    import pyarrow.compute as pc

    names = ["uid", "item_id", "timestamp"]
    if PLAYED not in names_of(path):
        return columns_of(path, names)
    listens = columns_of(path, [*names, PLAYED])
    return listens.filter(pc.greater_equal(listens[PLAYED], LISTENED)).select(names)


YAMBDA = Published(
    "yambda",
    ks=(10, 50, 100),
    rules=(
        "protocol yambda (arXiv 2505.22238): test is the last day, 30 minutes before it are left out, the day before "
        "them validates; users of the training only",
        "what was heard may be recommended again; compare recall_capped, which is over min(k, positives), with theirs",
    ),
    cut=cut,
)
