"""The baselines that are no sources."""

from pathlib import Path

import numpy as np
import pytest

from jobs.evaluation.baselines import ITEM_KNN, POPULARITY, SHRINK
from jobs.evaluation.data import Files, load
from jobs.evaluation.world import world_of
from jobs.ranking.lists import lists_of
from jobs.ranking.sources.snapshot import Moment, take_snapshot
from tests.evaluation.conftest import write


def test_popularity_counts_viewers_and_item_knn_is_the_shrunk_cosine(tmp_path: Path) -> None:
    rows = [("ann", "a"), ("ann", "b"), ("ben", "a"), ("ben", "b"), ("cid", "a"), ("dan", "c"), ("dan", "a")]
    data = load(Files(write(tmp_path / "train.csv", rows)))
    snapshot = take_snapshot(world_of(data, data.train), data.now)
    cid = [Moment(int(np.flatnonzero(data.viewers == "cid")[0]), data.now)]
    popular, similar = (lists_of(source, snapshot, cid) for source in (POPULARITY, ITEM_KNN))
    assert data.videos[popular.videos[0, :2]].tolist() == ["b", "c"]
    assert popular.scores[0, :2].tolist() == [2, 1]
    assert data.videos[similar.videos[0, :2]].tolist() == ["b", "c"]
    by_hand = [2 / (np.sqrt(4 * 2) + SHRINK), 1 / (np.sqrt(4 * 1) + SHRINK)]
    assert similar.scores[0, :2].tolist() == pytest.approx(by_hand, rel=1e-5)
