"""Lists of sources as arrays, and their union."""

import numpy as np

from jobs.ranking.lists import Lists, union
from jobs.ranking.sources.item_item import ITEM_ITEM
from jobs.ranking.sources.popular import POPULAR


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
