"""A change of a contract is breaking when it makes a query wrong or asks what the rows that are there cannot give."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from data_contracts import Contract, load
from data_contracts.changes import changes
from data_contracts.contract import Limit

FEEDS = load("gold.feeds")
HIGHER = "9.0.0"


def told(**facts: Any) -> list[tuple[str, bool]]:
    """What differs when these facts of the contract of gold.feeds are other ones, and whether it breaks something."""
    return changed("gold.feeds", **facts)


def changed(table: str, **facts: Any) -> list[tuple[str, bool]]:
    """The same of another table."""
    was = load(table)
    return [(one.what, one.is_breaking) for one in changes({"t": was}, {"t": replace(was, **facts)})]


def columns(name: str, **facts: Any) -> list[tuple[str, bool]]:
    return told(columns=tuple(replace(c, **facts) if c.name == name else c for c in FEEDS.columns))


def without(name: str) -> Contract:
    return replace(FEEDS, columns=tuple(column for column in FEEDS.columns if column.name != name))


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (columns("score", type="float"), "the type of score was double and is float"),
        (columns("score", unit="share"), "the unit of score was score and is share"),
        (columns("score", required=False), "score may now be NULL"),
        (columns("propensity", required=True), "propensity may no longer be NULL"),
        (columns("video_id", classification="personal"), "video_id was internal and is personal"),
        (told(key=("user_id",)), "its key was user_id, position, feed_version and is user_id"),
        (told(window_column=None), "the column by which it is cut into windows was event_date and is none"),
        (told(key_within=timedelta(days=1)), "a key was there once always and is within 1 day, 0:00:00"),
        (told(table_rules=()), "the rule at_least_one_row is gone"),
        (changed("gold.user_daily", behind="2 d"), "its features may be 2 d behind, not 1 d"),
        (told(freshness="36 h"), "it may become 36 h old, not 1 d"),
        (told(retention="7 d"), "its rows are kept 7 d, not 30 d"),
    ],
)
def test_what_a_reader_relied_on_and_loses_is_breaking(found: list[tuple[str, bool]], what: str) -> None:
    assert found == [(what, True)]


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (columns("user_id", classification="internal"), "user_id was personal and is internal"),
        (columns("score", description="Another."), "the description of score has other words"),
        (columns("score", limit=Limit(9, "Look.")), "the limit of score is another, or what to do beyond it"),
        (columns("video_id", identifies=None), "video_id identified video and identifies nobody"),
        (told(usage="Another."), "its usage has other words"),
        (told(columns=FEEDS.columns[::-1]), "its columns have another order"),
        (told(freshness="24 h", retention="60 d"), "its rows are kept 60 d, not 30 d"),
        (told(feature_view="feeds", behind="1 d"), "its feature view was none and is feeds"),
    ],
)
def test_what_takes_nothing_from_a_reader_is_compatible(found: list[tuple[str, bool]], what: str) -> None:
    assert found == [(what, False)]


def test_columns_and_rules_that_come_are_compatible_unless_old_rows_lack_them() -> None:
    kinds = {
        name: [one.is_breaking for one in changes({"t": without(name)}, {"t": FEEDS})]
        for name in ("propensity", "score")
    }
    assert kinds == {"propensity": [False], "score": [True]}
    assert [str(one) for one in changes({"t": FEEDS}, {"t": without("score")})] == [
        "t: breaking: the column score is gone. The contract has no higher version."
    ]
    stricter = replace(FEEDS, row_rules=(*FEEDS.row_rules, replace(FEEDS.row_rules[0], name="more")))
    assert [one.is_breaking for one in changes({"t": FEEDS}, {"t": stricter})] == [False]
    assert [one.is_breaking for one in changes({"t": stricter}, {"t": FEEDS})] == [True]


def test_a_breaking_change_has_to_come_with_a_higher_version() -> None:
    (quiet,) = changes({"t": FEEDS}, {"t": without("score")})
    (said,) = changes({"t": FEEDS}, {"t": replace(without("score"), version=HIGHER)})
    (back,) = changes({"t": replace(FEEDS, version=HIGHER)}, {"t": without("score")})
    (gone,) = changes({"t": FEEDS}, {})
    assert [one.is_versioned for one in (quiet, said, back, gone)] == [False, True, False, False]
    assert changes({"t": FEEDS}, {"t": FEEDS}) == []
    assert [one.is_breaking for one in changes({}, {"t": FEEDS})] == [False]
