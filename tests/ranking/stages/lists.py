"""One list for the tests of stages: its candidates by their places, and the order that a stage gives them."""

from typing import Any

import numpy as np

from jobs.ranking.policy import OURS, read
from jobs.ranking.stages.stage import Lists, Stage, Videos


def order(stage: Stage[Any], videos: Videos, **numbers: float) -> list[int]:
    """The candidates of one list in their order: the n-th video is the n-th by score. The package's other numbers."""
    many = len(videos.creators)
    content = read(OURS).numbers[stage.name].model_dump()
    for name, value in numbers.items():
        content[name]["value"] = value
    lists = Lists(np.zeros(many, np.int64), np.arange(many), videos)
    return [int(row) for row in np.argsort(stage.move(lists, np.arange(many), stage.numbers.model_validate(content)))]


def videos(many: int, **known: Any) -> Videos:
    """So many videos, of a creator each."""
    return Videos(np.arange(many), **known)
