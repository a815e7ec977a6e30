"""What the tests of the evaluation share: a small set in which taste can be learned."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from jobs.evaluation.data import Files

Rows = list[tuple[str, str]]


def write(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    path.write_text("user_id,video_id\n" + "".join(f"{user},{video}\n" for user, video in rows))
    return path


@pytest.fixture(scope="session")
def tastes() -> tuple[Rows, Rows, Rows]:
    """200 viewers of four tastes, 40 videos, a few of which everybody likes: training, validation and test pairs."""
    chance = np.random.default_rng(3)
    parts: tuple[Rows, Rows, Rows] = ([], [], [])
    for viewer in range(200):
        liking = np.where(np.arange(40) % 4 == viewer % 4, 3.0, 0.0) + np.where(np.arange(40) < 4, 2.0, 0.0)
        order = np.argsort(-(liking + chance.gumbel(size=40)))[:10]
        chance.shuffle(order)
        for rows, some in zip(parts, (order[:6], order[6:8], order[8:]), strict=True):
            rows.extend((f"u{viewer}", f"v{video}") for video in some)
    return parts


@pytest.fixture
def files(tmp_path: Path, tastes: tuple[Rows, Rows, Rows]) -> Callable[..., Files]:
    """The training and the validation file, perhaps changed."""

    def make(change: Callable[[Rows], Rows] = lambda rows: rows) -> Files:
        train, valid, test = tastes
        write(tmp_path / "test.csv", test)
        return Files(write(tmp_path / "train.csv", change(train)), write(tmp_path / "valid.csv", change(valid)))

    return make
