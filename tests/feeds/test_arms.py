"""Arms: one file, clear words for a wrong one, and draws that hang on the comparison and the viewer alone."""

from pathlib import Path

import numpy as np
import pytest

from jobs.engine.lake import Lake
from jobs.feeds.arms import CONTROL, Comparison, WrongArms, comparison_of, makers, read_arms
from jobs.ranking.orders import FIRST
from jobs.ranking.policy import OURS, read
from jobs.settings import Settings

FILE = """
comparison: orders
arms:
  trendy: {share: 0.2, system: popular_order, why: what everybody watches may be enough}
  apart: {share: 0.3, policy: apart.yml, why: others between the videos of a creator}
"""
VIEWERS = [f"viewer-{n}" for n in range(20_000)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "apart.yml").write_text(OURS.read_text(encoding="utf-8").replace("value: 2", "value: 3", 1))
    return tmp_path


def declared(folder: Path, old: str = "", new: str = "") -> Comparison:
    """The arms of FILE in which one thing is another."""
    assert old in FILE
    path = folder / "arms.yml"
    path.write_text(FILE.replace(old, new, 1))
    return read_arms(path)


def test_a_file_declares_arms_and_the_control_has_whoever_is_left(folder: Path) -> None:
    assert comparison_of(Settings(home=folder)) is None
    declared(folder)
    compared = comparison_of(Settings(home=folder, arms=folder / "arms.yml"))
    assert compared and [(arm.name, arm.system) for arm in compared.arms] == [
        ("trendy", "popular_order"),
        ("apart", None),
        (CONTROL, None),
    ]
    assert compared.arms[1].policy == read(folder / "apart.yml") and compared.arms[-1].share == 0.5


def test_shares_are_kept_to_and_whom_an_arm_has_hangs_on_no_other_viewer(folder: Path) -> None:
    compared = declared(folder)
    drawn = compared.drawn(VIEWERS)
    # Three deviations of so many draws.
    np.testing.assert_allclose(np.bincount(drawn) / len(VIEWERS), [0.2, 0.3, 0.5], atol=0.011)
    assert compared.drawn(VIEWERS[7:9]).tolist() == drawn[7:9].tolist()


def test_another_comparison_draws_anew_and_an_arm_that_grows_keeps_its_viewers(folder: Path) -> None:
    before = declared(folder).drawn(VIEWERS)
    anew = declared(folder, "comparison: orders", "comparison: orders-2").drawn(VIEWERS)
    # Two draws that know nothing of each other agree by .2 ** 2 + .3 ** 2 + .5 ** 2.
    assert np.mean(anew == before) == pytest.approx(0.38, abs=0.011)
    grown = declared(folder, "share: 0.2", "share: 0.4").drawn(VIEWERS)
    assert (grown[before == 0] == 0).all()


def test_the_version_hangs_on_all_that_makes_feeds_and_on_no_reason(folder: Path) -> None:
    version = declared(folder).version
    assert declared(folder, "may be enough", "is enough").version == version
    changes = [("orders", "others"), ("0.2", "0.1"), ("popular_order", "fusion_order"), ("trendy", "popular")]
    assert len({version, *[declared(folder, old, new).version for old, new in changes]}) == 1 + len(changes)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("share: 0.2", "share: 0.7", rf"may not declare the arm {CONTROL}.* They come to 1\."),
        ("  trendy", f"  {CONTROL}", f"may not declare the arm {CONTROL}"),
        ("share: 0.2", "share: 0", r"arms\.trendy\.share: Input should be greater than 0"),
        (", why: what everybody watches may be enough", "", r"arms\.trendy\.why: Field required"),
        ("system: popular_order, ", "", "nothing to compare for trendy: name a policy or a system"),
        ("system", "sytsem", r"arms\.trendy\.sytsem: Extra inputs"),
        ("comparison: orders", "comparison: Our Orders", "comparison: String should match"),
        ("arms:", "arms: [", "cannot be read as arms"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(folder: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(WrongArms, match=words):
        declared(folder, old, new)


def test_an_arm_whose_system_is_not_there_makes_no_feeds(folder: Path, lake: Lake) -> None:
    there = makers(lake, declared(folder), FIRST, read(OURS))
    assert [one.system.version for one in there.each] == ["popular_order", FIRST.version, FIRST.version]
    gone = declared(folder, "popular_order", "20240309-gone")
    with pytest.raises(WrongArms, match="trendy of orders is to be ordered by 20240309-gone"):
        makers(lake, gone, FIRST, read(OURS))
