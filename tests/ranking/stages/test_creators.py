"""creators: what happens to the further videos of one creator."""

import numpy as np
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.ranking.policy import OURS
from jobs.ranking.stages.creators import CREATORS, CreatorNumbers
from jobs.ranking.stages.stage import Lists, Places, Videos

OFF = {"places": 0, "videos": 4, "decay": 1, "floor": 0.25, "at_most": 50}


def moved(creators: list[int], **numbers: float) -> list[int]:
    """The order, as places by score, of one list in which the n-th video by score has that creator."""
    read = CreatorNumbers.model_validate(
        {name: {"value": value, "why": "to be tested"} for name, value in {**OFF, **numbers}.items()}
    )
    lists = Lists(np.zeros(len(creators), np.int64), np.arange(len(creators)), Videos(np.array(creators, np.int64)))
    return [int(row) for row in np.argsort(CREATORS.move(lists, np.arange(len(creators)), read))]


def before_there_were_stages(list_of: Places, place: Places, creators: Places) -> list[int]:
    """What feeds were until the stages came: two places down for each further video, eight at most, one by one."""
    further: dict[tuple[int, int], int] = {}
    slots = []
    for row in np.lexsort((place, list_of)):
        own = (int(list_of[row]), int(creators[row]))
        slots.append((own[0], int(place[row]) + 2 * min(further.get(own, 0), 4), int(place[row]), int(row)))
        further[own] = further.get(own, 0) + 1
    return [row for *_, row in sorted(slots)]


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_with_the_policy_of_the_package_feeds_are_what_they_were_before_there_were_stages(
    sizes: list[int], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    list_of = np.repeat(np.arange(len(sizes)), sizes)
    place = np.concatenate([chance.permutation(size) for size in sizes])
    creators = chance.integers(0, 6, len(place))
    numbers = CreatorNumbers.model_validate(yaml.safe_load(OURS.read_text())["creators"])
    found = CREATORS.move(Lists(list_of, np.arange(len(place)), Videos(creators)), place, numbers)
    expected = before_there_were_stages(list_of, place, creators)
    assert np.lexsort((found, list_of)).tolist() == expected


def test_a_decay_sends_a_further_video_to_where_others_are_worth_as_much() -> None:
    # 1 / log2(3) / 2 is less than 1 / log2(8) and more than 1 / log2(10): place 7 has as much.
    assert moved([1, 1, *range(2, 12)], decay=0.5)[:9] == [0, 2, 3, 4, 5, 6, 1, 7, 8]


def test_no_more_than_so_many_videos_of_a_creator_stand_above_the_others() -> None:
    assert moved([1, 1, 1, 2, 3], at_most=2) == [0, 1, 3, 4, 2]
    assert moved([1, 1, 1], at_most=1) == [0, 1, 2]
