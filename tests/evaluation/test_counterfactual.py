"""What a log of chance says of another policy, on worlds whose truth is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobs.evaluation.counterfactual import Estimates, estimate
from jobs.evaluation.files import BadFile
from jobs.evaluation.logged import Logged, read_log

CONTEXTS, ACTIONS, PER_VIEWER = 6, 5, 4
ESTIMATORS = ("ips", "snips", "dr")


class World:
    """Viewers of six contexts, five actions, and two policies; what each earns is known."""

    def __init__(self) -> None:
        chance = np.random.default_rng(0)
        self.reward = np.clip(
            np.linspace(0.1, 0.6, CONTEXTS)[:, None] + chance.normal(0, 0.1, (CONTEXTS, ACTIONS)), 0, 1
        )
        # One slot in ten by chance among all, as exploration keeps every action possible.
        self.logs = 0.9 * chance.dirichlet(np.ones(ACTIONS), CONTEXTS) + 0.1 / ACTIONS
        self.target = chance.dirichlet(np.ones(ACTIONS), CONTEXTS)
        self.truth = float((self.target * self.reward).sum(axis=1).mean())

    def log(self, seed: int, viewers: int = 400) -> Logged:
        """Each viewer has a context, a taste of their own, and PER_VIEWER slots."""
        chance = np.random.default_rng(seed)
        viewer = np.repeat(np.arange(viewers), PER_VIEWER)
        context = chance.integers(0, CONTEXTS, viewers)[viewer]
        draw = chance.random(len(viewer))[:, None]
        action = (self.logs[context].cumsum(axis=1) < draw).sum(axis=1).clip(max=ACTIONS - 1)
        generous = chance.choice([0.7, 1.3], viewers)[viewer]
        earned = chance.random(len(viewer)) < self.reward[context, action] * generous
        return Logged(viewer, context, earned.astype(float), self.logs[context, action], self.target[context, action])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_interval_holds_the_truth_as_often_as_it_says(world: World, estimator: str) -> None:
    intervals = [getattr(estimate(world.log(seed)), estimator) for seed in range(100)]
    assert 90 <= sum(low <= world.truth <= high for _, low, high in intervals) <= 99
    assert np.mean([value for value, _, _ in intervals]) == pytest.approx(world.truth, abs=0.01)


def test_the_logged_policy_itself_is_worth_what_it_earned(world: World) -> None:
    log = world.log(1)
    found = estimate(replace(log, target_probability=log.propensity))
    assert found.ips == pytest.approx(found.logged) and found.snips == pytest.approx(found.logged)
    assert found.effective_rows == pytest.approx(found.rows)


def test_what_is_added_to_every_reward_is_added_to_snips_and_dr_and_widens_ips_alone(world: World) -> None:
    log = world.log(1)
    before, after = estimate(log), estimate(replace(log, reward=log.reward + 10))
    for name in ("snips", "dr"):
        assert getattr(after, name) == pytest.approx([10 + end for end in getattr(before, name)], abs=2e-2)
    assert width(after, "ips") > 5 * width(before, "ips")


def test_where_the_context_explains_the_reward_the_doubly_robust_estimate_is_narrower(world: World) -> None:
    found = estimate(world.log(1))
    assert width(found, "dr") < width(found, "snips") <= width(found, "ips")


def test_rows_of_one_viewer_are_no_independent_draws(world: World) -> None:
    log = world.log(1)
    as_rows = estimate(replace(log, viewer=np.arange(len(log.viewer))))
    assert estimate(log).viewers * PER_VIEWER == as_rows.viewers
    assert width(estimate(log), "logged") > 1.2 * width(as_rows, "logged")


def test_the_order_of_rows_says_nothing(world: World) -> None:
    log = world.log(1)
    order = np.random.default_rng(2).permutation(len(log.viewer))
    shuffled = estimate(Logged(*(getattr(log, name)[order] for name in log.__dataclass_fields__)))
    assert shuffled.dr == pytest.approx(estimate(log).dr) and shuffled.ips == pytest.approx(estimate(log).ips)


def test_propensities_that_cannot_be_right_are_told(world: World) -> None:
    log = world.log(1)
    assert estimate(log).warnings == ()
    (told,) = estimate(replace(log, propensity=np.minimum(1, 2 * log.propensity))).warnings
    assert "has to be 1" in told


def test_too_little_that_compares_is_told(world: World) -> None:
    assert any("rows of equal weight" in told for told in estimate(world.log(1, viewers=20)).warnings)


def width(found: Estimates, name: str) -> float:
    _, low, high = getattr(found, name)
    return float(high - low)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(rows: str) -> Path:
        path = tmp_path / "log.csv"
        path.write_text(rows)
        return path

    return write


def test_a_log_needs_no_context_and_no_viewers(written: Callable[[str], Path]) -> None:
    log = read_log(written("action,reward,propensity,target_probability\na,1,0.5,0.25\nb,0,0.5,0.75\n"))
    assert log.viewer.tolist() == [0, 1] and log.context.tolist() == [0, 0]
    assert estimate(log).ips.value == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("a,1,0,0.5", "line 3, column propensity: 0 cannot be"),
        ("a,1,1.5,0.5", "line 3, column propensity: 1.5 cannot be"),
        ("a,1,0.5,-1", "line 3, column target_probability: -1 cannot be"),
        ("a,nan,0.5,0.5", "line 3, column reward"),
        (",1,0.5,0.5", "line 3, column action: is empty"),
    ],
)
def test_a_row_that_cannot_be_is_told_with_its_place(written: Callable[[str], Path], rows: str, complaint: str) -> None:
    with pytest.raises(BadFile, match=complaint):
        read_log(written(f"action,reward,propensity,target_probability\na,1,0.5,0.5\n{rows}\n"))
