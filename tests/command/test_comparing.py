"""What is compared, for people: the declared arms, what each came to, and a sentence where nothing is compared."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobs.command.cli import cli
from jobs.command.comparing import Days, NothingCompared, found, shown
from jobs.feeds.arms import CONTROL
from jobs.feeds.compare import METRICS
from jobs.settings import Settings
from tests.contracted import put

FIRST, SECOND = date(2024, 3, 7), date(2024, 3, 8)


def of(day: date, arm: str, metric: str, value: float, **more: Any) -> dict[str, Any]:
    row = {"event_date": day, "comparison": "creators", "feed_arm": arm, "metric": metric, "arm_share": 0.5}
    row |= {"model_version": "m", "policy_version": "p", "viewers": 2000, "viewers_seen": 900, "above": value}
    return {
        **row,
        "below": 1.0,
        "value": value,
        "difference": None,
        "low": None,
        "high": None,
        "mismatch": None,
        **more,
    }


@pytest.fixture
def compared(settings: Settings) -> Settings:
    rows = [of(day, arm, metric, 0.5) for day in (FIRST, SECOND) for arm in ("bold", CONTROL) for metric in METRICS]
    put(settings, "gold.arm_daily", *rows)
    return settings


def test_the_arms_that_are_declared_are_listed_and_what_was_compared(compared: Settings, tmp_path: Path) -> None:
    at = {"REELMILL_HOME": str(compared.home)}
    told = CliRunner().invoke(cli, ["arms", "list"], env=at, catch_exceptions=False).output
    assert "everybody's feed is made alike" in told and "creators" in told and str(SECOND) in told
    file = tmp_path / "arms.yml"
    file.write_text("comparison: now\narms:\n  trendy: {share: 0.2, system: popular_order, why: to see}\n")
    listed = CliRunner().invoke(cli, ["arms", "list", "--json"], env=at | {"REELMILL_ARMS": str(file)})
    declared = json.loads(listed.output)["declared"]
    assert [(arm["arm"], arm["share"]) for arm in declared["arms"]] == [("trendy", 0.2), (CONTROL, 0.8)]
    assert "trendy" in CliRunner().invoke(cli, ["arms", "list"], env=at | {"REELMILL_ARMS": str(file)}).output


def test_what_arms_came_to_is_told_and_drawn(
    compared: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(compared, None) == found(compared, "creators") == Days("creators", FIRST, SECOND)
    rows = [of(SECOND, CONTROL, "seen", 0.45, mismatch=0.5), of(SECOND, CONTROL, "liked", 0.1)]
    rows += [of(SECOND, "bold", "liked", 0.15, difference=0.05, low=0.04, high=0.06), of(SECOND, "bold", "seen", 0.46)]
    shown(found(compared, None), rows, compared, tmp_path / "a.html", as_json=False)
    told = capsys.readouterr().out
    assert "+0.0500 [+0.0400, +0.0600]" in told and "clear of zero" in told and "too few viewers" in told
    assert "divide among the arms as they were drawn" in told
    drawn = (tmp_path / "a.html").read_text()
    assert "liked, less control" in drawn and f"grade by days since {FIRST}" in drawn

    lost = [of(SECOND, CONTROL, "seen", 0.45, mismatch=0.99999)]
    shown(found(compared, None), lost, compared, None, as_json=False)
    assert "do not divide as they were drawn (p = 1e-05). Arms do not have the viewers" in capsys.readouterr().out


def test_where_nothing_was_compared_it_is_said_when_something_will_be(compared: Settings, tmp_path: Path) -> None:
    with pytest.raises(NothingCompared, match=r"no day of others \(it has creators\)"):
        found(compared, "others")
    with pytest.raises(NothingCompared, match=r"no day of any comparison \(it has none\)"):
        found(Settings(home=tmp_path / "empty"), None)
