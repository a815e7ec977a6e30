"""The plain facts beside the sources' columns."""

from pathlib import Path

import numpy as np
import pytest

from jobs.evaluation.columns import facts_of, with_facts
from jobs.evaluation.data import Files, load
from jobs.evaluation.world import world_of
from jobs.ranking.lists import Union
from jobs.ranking.sources.snapshot import take_snapshot
from tests.evaluation.conftest import write


def test_a_candidate_has_its_audience_and_its_likeness_to_the_taste(tmp_path: Path) -> None:
    rows = [("ann", "a"), ("ann", "b"), ("ben", "a")]
    np.save(tmp_path / "content.npy", np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]], dtype=np.float32))
    (tmp_path / "ids.csv").write_text("video_id\na\nb\nc\n")
    data = load(Files(write(tmp_path / "train.csv", rows), None, (tmp_path / "content.npy",), tmp_path / "ids.csv"))
    facts = facts_of(take_snapshot(world_of(data, data.train), data.now), data.contents)
    ann, ben = (int(np.flatnonzero(data.viewers == name)[0]) for name in ("ann", "ben"))
    empty = np.zeros((2, 2, 0), dtype=np.float32)
    laid = with_facts(Union(np.array([[2, -1], [1, 2]], dtype=np.int32), (), empty), np.array([ann, ben]), facts)
    assert laid.values[0, 0, laid.columns.index("viewer_watches")] == 2
    assert laid.values[:, :, laid.columns.index("video_viewers")].tolist()[1] == [1, 0]
    likeness = laid.values[:, :, laid.columns.index("content_similarity_1")]
    assert likeness[0, 0] == pytest.approx(1 / np.sqrt(2), abs=1e-6)
    assert likeness[1].tolist() == [0, 1]
    assert np.isnan(laid.values[0, 1]).all()
