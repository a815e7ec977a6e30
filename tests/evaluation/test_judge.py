"""Judging finished rankings: three viewers, four videos, by hand."""

from pathlib import Path

import numpy as np
import pytest

from jobs.evaluation.judge import Finished, judge
from tests.evaluation.conftest import write

# Ann has watched a, Ben a and b; nobody has watched d. The stranger comes first.
FINISHED = Finished(
    viewers=np.array(["", "ann", "ben"], dtype=object),
    videos=np.array(["a", "b", "c", "d"], dtype=object),
    history=np.array([0, 1, 2]),
    audience=np.array([2, 1, 0, 0]),
    age_d=np.array([40.0, 3.0, np.nan, np.nan]),
    train_keys=np.array([4, 8, 9]),
    lists={
        "good": np.array([[0, 1], [1, 2], [2, -1]], dtype=np.int32),
        "bad": np.array([[3, 2], [3, 2], [3, -1]], dtype=np.int32),
    },
)


def test_a_viewer_whom_no_other_file_names_gets_the_strangers_list(tmp_path: Path) -> None:
    found = judge(FINISHED, write(tmp_path / "test.csv", [("ann", "b"), ("new", "b"), ("newer", "a")]), (1, 2), 1)
    assert (found.viewers, found.strangers, found.pairs, found.unreachable) == (3, 2, 3, 0)
    good = found.verdicts["good"].metrics
    assert good["recall@1"].value == pytest.approx(2 / 3)
    assert good["mrr@2"].value == pytest.approx((1 + 0.5 + 1) / 3)


def test_a_pair_counts_once_and_what_no_list_can_hold_counts_as_missed(tmp_path: Path) -> None:
    rows = [("ann", "b"), ("ann", "b"), ("ann", "a"), ("ann", "nobody knows this")]
    found = judge(FINISHED, write(tmp_path / "test.csv", rows), (1, 2), 1)
    assert (found.pairs, found.unreachable) == (3, 2)
    assert found.verdicts["good"].metrics["recall@2"].value == pytest.approx(1 / 3)


def test_the_parts_say_for_whom_and_for_which_videos(tmp_path: Path) -> None:
    rows = [("ann", "b"), ("ann", "d"), ("ben", "c"), ("new", "d")]
    good = judge(FINISHED, write(tmp_path / "test.csv", rows), (1, 2), 1).verdicts["good"]
    assert [(part.label, part.count) for part in good.by_history] == [("0", 1), ("1 to 4", 2)]
    assert [part.metrics["recall@2"].value for part in good.by_history] == [0, 0.75]
    assert [(part.label, part.count) for part in good.by_audience] == [("0", 3), ("1 to 9", 1)]
    assert [part.metrics["recall@2"].value for part in good.by_audience] == pytest.approx([1 / 3, 1])
    # What nobody had watched has no age.
    assert [(part.label, part.count) for part in good.by_age] == [("0 to 6", 1)]


def test_coverage_is_of_the_catalogue_and_a_difference_is_paired(tmp_path: Path) -> None:
    path = write(tmp_path / "test.csv", [("ann", "b"), ("ben", "c")])
    found = judge(FINISHED, path, (1, 2), 1, rivals=("good",))
    assert found.verdicts["good"].metrics["coverage@1"].value == 0.5
    assert found.verdicts["bad"].metrics["coverage@1"].value == 0.25
    assert found.differences["good", "bad", "recall@1"] == (1, 1, 1)
    assert ("bad", "good", "recall@1") not in found.differences
