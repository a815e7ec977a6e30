"""Rules of visibility: the first one that matches decides, until it expires; and clear words for wrong ones."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.frames import frame_of
from jobs.feeds.trending import listable
from jobs.feeds.visibility import visibility
from jobs.media.visibility import OURS, Action, Rules, WrongRules, read, rules_of
from jobs.settings import Settings

NOW = datetime(2024, 3, 1, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
RULES = Rules.model_validate(
    {
        "rules": [
            {"name": "press", "action": "allow", "creators": ["press"], "why": "looked at before"},
            {"name": "over", "action": "drop", "videos": ["old"], "why": "it was", "until": NOW},
            {"name": "money", "action": "limit", "hashtags": ["#FreeMoney"], "why": "passwords", "until": TOMORROW},
            {"name": "stolen", "action": "drop", "videos": ["copy", "news"], "why": "somebody else's"},
        ]
    }
)


@pytest.fixture(scope="module")
def videos(spark: SparkSession) -> DataFrame:
    rows = [
        ("news", "press", ["freemoney"], "published"),
        ("wave", "bot", ["cats", "freemoney"], "published"),
        ("copy", "bot", [], "published"),
        ("draft", "bot", ["freemoney"], "rejected"),
        ("old", "ann", ["cats"], "published"),
    ]
    return frame_of(spark, "video_id string, user_id string, hashtags array<string>, status string", rows)


def test_the_first_rule_that_matches_and_has_not_expired_decides(videos: DataFrame) -> None:
    rows = visibility(videos, RULES, date(2024, 3, 1), NOW).collect()
    assert {r.video_id: (r.creator_id, r.rule, r.action, r.why) for r in rows} == {
        "news": ("press", "press", "allow", "looked at before"),
        "wave": ("bot", "money", "limit", "passwords"),
        "copy": ("bot", "stolen", "drop", "somebody else's"),
    }
    assert visibility(videos, Rules(rules=()), date(2024, 3, 1), NOW).isEmpty()


def test_what_is_dropped_is_nowhere_and_what_is_limited_is_in_no_list(spark: SparkSession, videos: DataFrame) -> None:
    def left(frame: DataFrame) -> set[str]:
        return {row[0] for row in frame.where("status = 'published'").select("video_id").collect()}

    assert left(RULES.without(videos, NOW, Action.DROP)) == {"news", "wave", "old"}
    assert left(RULES.as_rejected(videos, NOW)) == {"news", "old"}
    assert left(RULES.as_rejected(videos, TOMORROW)) == {"news", "wave", "old"}
    lists = frame_of(spark, "kind string, id string", [("videos", "wave"), ("hashtags", "wave"), ("videos", "old")])
    found = listable(lists, videos, RULES, NOW).collect()
    assert {tuple(row) for row in found} == {("hashtags", "wave"), ("videos", "old")}


def test_the_package_has_no_rules_and_a_setting_names_others(tmp_path: Path) -> None:
    assert read(OURS).rules == rules_of(Settings(home=tmp_path)).rules == ()
    mine = tmp_path / "mine.yml"
    mine.write_text("rules: [{name: a, action: drop, videos: [v], why: because}]", encoding="utf-8")
    assert rules_of(Settings(home=tmp_path, visibility=mine)).rules[0].name == "a"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules: [{name: a, action: drop, why: b}]", "rules.0: Value error, names no videos, creators or hashtags"),
        ("rules: [{name: a, action: hide, videos: [v], why: b}]", "rules.0.action: Input should be 'allow', 'limit'"),
        ("rules: [{name: a, action: drop, videos: [v]}]", "rules.0.why: Field required"),
        ("rules: [{name: a, action: drop, videos: [v], why: b, until: 2024-03-01}]", "rules.0.until: "),
        (
            "rules: [{name: a, action: drop, videos: [v], why: b}, {name: a, action: allow, videos: [v], why: b}]",
            "several rules have the name a",
        ),
        ("rules: [", "cannot be read as rules of visibility"),
        ("- a", "is no list of rules"),
    ],
)
def test_wrong_rules_are_refused_with_the_place_of_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.yml").write_text(text, encoding="utf-8")
    with pytest.raises(WrongRules, match=words):
        read(tmp_path / "mine.yml")
