"""The audit of a night for people: a line and a picture for each measure, and a sentence where there is none."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobs.command.cli import cli
from jobs.evaluation.audit_page import NotAudited, audited, page
from jobs.settings import Settings
from tests.contracted import put

FIRST, SECOND = date(2024, 3, 7), date(2024, 3, 8)


def of(
    night: date, metric: str, value: float, popularity: float | None, behind: float | None, **arm: str
) -> dict[str, Any]:
    row = {"event_date": night, "feed_version": f"{night:%Y%m%d}.m", "metric": metric, "value": value}
    return {**row, "popularity": popularity, "behind_popularity": behind, **arm}


def arm(name: str, comparison: str = "spring") -> dict[str, str]:
    return {"feed_arm": name, "comparison": comparison, "policy_version": f"p-{name}"}


@pytest.fixture
def kept(settings: Settings) -> Settings:
    rows = [of(SECOND, "gini@10", 0.6, 0.5, 0.2), of(SECOND, "chance_share@10", 0.25, None, None)]
    put(settings, "gold.feed_audit", of(FIRST, "gini@10", 0.4, 0.5, 0.0), *rows)
    return settings


def test_the_newest_night_has_a_line_for_each_measure_and_says_what_is_worse(kept: Settings, tmp_path: Path) -> None:
    at, to = {"REELMILL_HOME": str(kept.home)}, tmp_path / "a.html"
    told = CliRunner().invoke(cli, ["feeds", "audit", "--page", str(to)], env=at, catch_exceptions=False)
    assert f"the feeds of {SECOND}" in told.output
    assert "worse by 20%" in told.output and "0.600" in told.output
    drawn = to.read_text()
    assert "worse by 20%" in drawn and f"gini@10 by nights since {FIRST}" in drawn
    # A measure of one night has no curve.
    assert "chance_share, tonight" in drawn and "chance_share@10 by nights" not in drawn

    earlier = CliRunner().invoke(cli, ["feeds", "audit", "--night", str(FIRST), "--json"], env=at)
    assert [(row["metric"], row["value"], row["behind"]) for row in json.loads(earlier.output)] == [("gini", 0.4, 0.0)]


def test_a_night_without_an_audit_is_an_error_that_says_what_to_run(kept: Settings, tmp_path: Path) -> None:
    with pytest.raises(NotAudited, match=r"from 2024-03-07 to 2024-03-08.*reelmill run feeds.audit"):
        audited(kept, date(2024, 3, 9))
    with pytest.raises(NotAudited, match="of no night yet"):
        audited(Settings(home=tmp_path / "empty"), None)


def test_what_is_drawn_of_nights_are_those_up_to_the_one_that_is_asked_for(kept: Settings) -> None:
    assert {one.night for one in audited(kept, FIRST)} == {FIRST}
    assert "by nights" not in page(audited(kept, FIRST))


def test_arms_stand_beside_each_other_with_their_policies_and_another_comparison_is_not_drawn_on(
    kept: Settings, tmp_path: Path
) -> None:
    third, at, to = date(2024, 3, 9), {"REELMILL_HOME": str(kept.home)}, tmp_path / "a.html"
    of_all, control = of(third, "gini@10", 0.5, 0.5, 0.0), of(third, "gini@10", 0.7, 0.5, 0.4, **arm("control"))
    put(kept, "gold.feed_audit", of_all, control, of(third, "gini@10", 0.3, 0.55, 0.0, **arm("wide")))
    put(kept, "gold.feed_audit", of(FIRST, "gini@10", 0.9, 0.9, 0.0, **arm("wide", "winter")))
    told = CliRunner().invoke(cli, ["feeds", "audit", "--page", str(to)], env=at, catch_exceptions=False)
    rows = [line.split()[:5] for line in told.output.splitlines() if line.startswith("gini@10")]
    assert rows == [
        ["gini@10", "all", "several", "0.500", "0.500"],
        ["gini@10", "control", "p-control", "0.700", "0.500"],
        ["gini@10", "wide", "p-wide", "0.300", "0.550"],
    ]
    drawn = to.read_text()
    assert "control, served@10" in drawn and "wide, popularity@10" in drawn and "0.9000" not in drawn

    put(kept, "gold.feed_audit", of(date(2024, 3, 10), "gini@10", 0.35, 0.55, 0.0, **arm("wide")))
    assert "wide, served 0.3500" in page(audited(kept, None)), "a curve of the nights of one comparison"
