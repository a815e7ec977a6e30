"""Skew: what was scored against what is true, value by value, with NULL on either side and small differences apart."""

import numpy as np
import pytest

from jobs.ops.skew import Skew, skew


def of(*pairs: tuple[float | None, float | None]) -> Skew:
    """What differs between scored and true values, None for NULL."""
    scored, true = np.array(pairs, dtype=np.float32).T
    return skew(scored, true)


def test_equal_values_and_NULL_on_both_sides_are_no_skew() -> None:
    assert of((1, 1), (0, 0), (None, None)) == Skew(0, 0, 0, 0)


def test_NULL_on_one_side_is_a_mismatch_and_says_on_which() -> None:
    assert of((None, 1), (1, 1), (1, None), (None, 2)) == Skew(
        mismatch=0.75, missing=0.5, vanished=0.25, symmetric_error=0
    )


def test_the_error_is_the_same_whichever_side_is_the_larger_and_1_where_nothing_is_shared() -> None:
    assert of((1, 3)).symmetric_error == of((3, 1)).symmetric_error == 0.5
    assert of((0, 5)).symmetric_error == 1
    # A small count that is off by much tells less than a large one.
    assert of((1, 3), (1000, 1000)).symmetric_error == pytest.approx(2 / 2004)


def test_a_count_that_late_events_moved_a_little_matches() -> None:
    little = of((1000, 1009))
    assert little.mismatch == 0 < little.symmetric_error
    assert of((1000, 1011)).mismatch == 1
