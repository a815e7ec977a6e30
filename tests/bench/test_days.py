"""What bench/days.py says of arms that have lived: differences are paired, and luck is told from favour."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from jobs.settings import REPOSITORY, Settings


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("days", REPOSITORY / "bench" / "days.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass asks for it
    spec.loader.exec_module(module)
    return module


def test_the_difference_of_two_arms_is_that_of_the_same_viewers_and_leaves_earlier_days_out(
    script: ModuleType, tmp_path: Path
) -> None:
    chance = np.random.default_rng(1)
    viewer, day = np.repeat(np.arange(40), 6), np.tile([20, 21, 22], 80)
    is_viewed, liking = chance.random(240) < 0.9, chance.normal(0, 2, 240)

    def arm(name: str, more: float) -> object:
        made = script.Arm(name, Settings(home=tmp_path / name), learns=True)
        made.day, made.viewer, made.is_viewed = [day], [viewer], [is_viewed]
        # What was not looked at, and what came before, pleases nobody.
        made.liking = [np.where(is_viewed, liking + np.where(day == 20, -5 * more, more), -99)]
        return made

    found = script.differences([arm("better", 0.25), arm("worse", 0.0)], 21, viewers=41)
    assert found["better", "worse"] == pytest.approx((0.25, 0.25, 0.25))
    low, high = found["worse", ""][1:]
    assert high - low > 0.3  # while the viewers differ much


def test_who_is_favoured_has_more_than_luck_gives_and_who_is_lucky_does_not(script: ModuleType) -> None:
    chance = np.random.default_rng(2)
    shown = chance.geometric(0.02, (200, 2))
    assert script.most_over_least(shown) <= script.by_luck(shown)
    favoured = shown * [3, 2]
    assert script.most_over_least(favoured) == pytest.approx(1.5, rel=0.2)
    assert script.most_over_least(favoured) > script.by_luck(favoured)
