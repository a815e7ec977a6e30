"""Lists of sources as arrays, which say what the table of candidates says."""

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from jobs.ranking.features import side_by_side
from jobs.ranking.lists import Lists, lists_of, union
from jobs.ranking.propose import moments_at, propose
from jobs.ranking.sources.item_item import ITEM_ITEM
from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.sources.registry import SOURCES
from jobs.ranking.sources.snapshot import Moment, take_snapshot
from jobs.ranking.watched import catalogue_of, first_watches, past
from tests.ranking.conftest import TONIGHT, Make


def test_the_sources_columns_are_those_of_the_table_side_by_side(followed: DataFrame, videos_of: Make) -> None:
    watched, videos = first_watches(followed), videos_of(("a",), ("b",), ("c",), ("d",))
    candidates = propose(watched, videos, moments_at(followed.select("user_id"), TONIGHT))
    table: pd.DataFrame = side_by_side(candidates).toPandas()
    world, at = catalogue_of(videos).world_of(past(watched).toArrow()), int(TONIGHT.timestamp() * 1e6)
    snapshot, moments = take_snapshot(world, at), [Moment(n, at) for n in range(len(world.viewers))]
    lists = [lists_of(source, snapshot, moments) for source in SOURCES]
    laid = union(SOURCES, lists, np.arange(len(moments)), len(world.videos), depth=4)
    columns = [column for source in SOURCES for column in source.columns]
    assert list(laid.columns[: len(columns)]) == columns
    row, place = np.nonzero(laid.videos >= 0)
    ids = set(zip(world.viewers[row], world.videos[laid.videos[row, place]], strict=True))
    assert ids == set(zip(table["user_id"], table["video_id"], strict=True))
    for said in table.to_dict("records"):
        viewer = int(np.flatnonzero(world.viewers == said["user_id"])[0])
        video = int(np.flatnonzero(world.videos[laid.videos[viewer]] == said["video_id"])[0])
        values = laid.values[viewer, video, : len(columns)]
        expected = np.array([said[column] for column in columns], dtype=np.float32)
        np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_the_union_is_cut_to_the_best_by_fusion_and_says_how_many_sources_agree() -> None:
    none = [-1] * 2
    similar = Lists(np.array([[3, 1], none], dtype=np.int32), np.array([[0.9, 0.3], [np.nan] * 2], dtype=np.float32))
    popular = Lists(np.array([[1, 0], [2, -1]], dtype=np.int32), np.array([[8, 4], [9, np.nan]], dtype=np.float32))
    laid = union((ITEM_ITEM, POPULAR), (similar, popular), np.arange(2), videos=4, depth=2)
    assert laid.videos.tolist() == [[1, 3], [2, -1]]
    agreeing, share = laid.columns.index("sources_agreeing"), laid.columns.index("item_item_share")
    assert laid.values[0, :, agreeing].tolist() == [2, 1]
    np.testing.assert_allclose(laid.values[0, :, share], [1 / 3, 1], rtol=1e-5)
    assert np.isnan(laid.values[1, 0, share]) and np.isnan(laid.values[1, 1]).all()
