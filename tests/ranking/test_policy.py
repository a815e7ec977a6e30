"""The policy: one file with every number and its reason, and clear words for a wrong one."""

from pathlib import Path

import pytest

from jobs.ranking.policy import OURS, WrongPolicy, policy_of, read
from jobs.settings import Settings


def changed(folder: Path, old: str, new: str) -> Path:
    """A copy of the policy of the package in which one thing is another."""
    content = OURS.read_text(encoding="utf-8")
    assert old in content
    path = folder / "mine.yml"
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_version_hangs_on_the_numbers_and_not_on_their_reasons(tmp_path: Path) -> None:
    ours = read(OURS).version
    assert read(changed(tmp_path, "why: lets others in between", "why: lets some in between")).version == ours
    assert read(changed(tmp_path, "value: 2", "value: 3")).version != ours


def test_a_setting_names_another_policy(tmp_path: Path) -> None:
    path = changed(tmp_path, "value: 2", "value: 3")
    assert policy_of(Settings(home=tmp_path, policy=path)).version == read(path).version
    assert policy_of(Settings(home=tmp_path)).version == read(OURS).version


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("value: 2", "value: -2", r"creators\.places\.value: Input should be greater than or equal to 0"),
        ("value: 2", "value: many", r"creators\.places\.value: Input should be a valid integer"),
        ("  places:", "  place:", r"creators\.places: Field required; creators\.place: Extra inputs"),
        ("    why: lets others", "    # lets others", r"creators\.places\.why: Field required"),
        ("creators:", "creator:", "has creator, hashtags, .*, and a policy has exactly creators, hashtags, "),
        ("creators:", "creators: [", "cannot be read as a policy"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_name_of_the_number(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(WrongPolicy, match=words):
        read(changed(tmp_path, old, new))


def test_a_policy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongPolicy, match=r"none\.yml cannot be read"):
        read(tmp_path / "none.yml")
