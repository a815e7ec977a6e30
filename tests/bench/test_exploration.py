"""Draws of feeds, estimators and the simulated world together: intervals hold the truth as often as they say."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest

from jobs.settings import REPOSITORY


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("exploration", REPOSITORY / "bench" / "exploration.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass asks for it
    spec.loader.exec_module(module)
    return module


def test_the_interval_holds_what_the_simulated_world_would_have_earned(script: ModuleType) -> None:
    """As the script does it, in a smaller world, where more slots are drawn to have as many rows."""
    for name, (truth, intervals) in script.measured(script.Exploration(viewers=500, share=0.2), seeds=100).items():
        assert 90 <= script.covered(truth, intervals) <= 99, name
        values = [value for value, _, _ in intervals]
        assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / 10), name
