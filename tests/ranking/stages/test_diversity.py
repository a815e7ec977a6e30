"""diversity: the first slots are unlike each other."""

import numpy as np
import pytest

from jobs.ranking.stages.diversity import DIVERSITY
from jobs.ranking.stages.stage import Lists, Videos
from tests.ranking.stages.lists import order, videos

CAT, DOG, BOTH, NONE = (1, 0), (0, 1), (0.6, 0.8), (0, 0)


def seen_as(*vectors: tuple[float, float]) -> Videos:
    return videos(len(vectors), vectors=np.array(vectors, dtype=np.float16))


@pytest.mark.parametrize(("weight", "expected"), [(0.1, [0, 1, 2, 3]), (0.3, [0, 2, 1, 3]), (1, [0, 2, 3, 1])])
def test_what_is_like_a_video_above_it_gives_way_as_far_as_the_weight_says(weight: float, expected: list[int]) -> None:
    assert order(DIVERSITY, seen_as(CAT, CAT, DOG, NONE), weight=weight) == expected


def test_only_the_first_slots_are_given_out_and_only_among_the_first_candidates() -> None:
    alike = seen_as(CAT, CAT, CAT, DOG, DOG)
    assert order(DIVERSITY, alike, weight=1, slots=2) == [0, 3, 1, 2, 4]
    assert order(DIVERSITY, alike, weight=1, among=3) == [0, 1, 2, 3, 4]


def test_where_nothing_has_a_vector_nothing_moves() -> None:
    assert order(DIVERSITY, seen_as(NONE, NONE), weight=1) == order(DIVERSITY, videos(2), weight=1) == [0, 1]


def test_it_is_what_choosing_one_slot_after_the_other_gives() -> None:
    chance = np.random.default_rng(3)
    sizes = [7, 40, 1, 12]
    list_of = np.repeat(np.arange(len(sizes)), sizes)
    place = np.concatenate([chance.permutation(size) for size in sizes])
    vectors = chance.normal(size=(len(place), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    lists = Lists(list_of, np.arange(len(place)), Videos(list_of, vectors=vectors.astype(np.float16)))
    numbers = DIVERSITY.numbers.model_validate(
        {name: {"value": value, "why": "tested"} for name, value in {"weight": 0.7, "slots": 10, "among": 30}.items()}
    )
    found = DIVERSITY.move(lists, place, numbers)
    for mine in (np.flatnonzero(list_of == n).tolist() for n in range(len(sizes))):
        left = sorted(mine, key=lambda row: place[row])
        chosen: list[int] = []
        while len(chosen) < min(10, len(mine)):
            worth = {
                row: (1 - 0.7 * max([0, *(vectors[row] @ vectors[other] for other in chosen)]))
                / np.log2(place[row] + 2)
                for row in left
                if place[row] < 30
            }
            chosen.append(max(worth, key=lambda row: worth[row]))
            left.remove(chosen[-1])
        assert sorted(mine, key=lambda row: found[row]) == chosen + left
