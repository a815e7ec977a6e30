"""What is beyond a limit of a contract is named with its row, its value and what to do, and nothing else is."""

from datetime import date

import deltalake
import pyarrow as pa

from jobs.engine.limits import Measured, beyond, measured
from jobs.engine.tables import Tables
from jobs.settings import Settings
from tests.contracted import put

QUALITY = "ops.feature_quality"
DAY, BEFORE = date(2026, 1, 18), date(2026, 1, 17)


def test_a_column_beyond_its_limit_is_told_in_one_line_with_what_to_do(settings: Settings) -> None:
    at_it = {"event_date": DAY, "feature": "user__watches_7d", "psi_beyond_chance": 0.25, "mismatch_share": None}
    put(settings, QUALITY, at_it, {**at_it, "feature": "video__views_7d", "psi_beyond_chance": 0.5})
    put(settings, QUALITY, {**at_it, "event_date": BEFORE, "psi_beyond_chance": 9})
    ((found,),) = [one.beyond for one in measured(settings)]
    line = "video__views_7d: psi_beyond_chance of 2026-01-18 is 0.5, at most 0.25. Compare scored_deciles with"
    assert str(found).startswith(line)


def test_only_the_days_that_are_asked_for_are_looked_at(settings: Settings) -> None:
    row = {"feature": "video__views_7d", "null_shift": 0.9}
    put(settings, QUALITY, {**row, "event_date": DAY}, {**row, "event_date": BEFORE})
    assert [one.day for one in beyond(QUALITY, BEFORE, DAY, settings)] == [BEFORE, DAY]
    assert [one.day for one in beyond(QUALITY, BEFORE, BEFORE, settings)] == [BEFORE]


def test_a_table_that_has_no_row_yet_says_nothing(settings: Settings) -> None:
    assert list(measured(settings)) == []
    put(settings, QUALITY)
    assert list(measured(settings)) == []
    put(settings, QUALITY, {"event_date": DAY, "feature": "video__views_7d"})
    assert list(measured(settings)) == [Measured(QUALITY, DAY, [])]


def test_a_row_is_named_by_what_its_key_has_and_a_table_of_before_by_what_it_had(settings: Settings) -> None:
    row = {"event_date": DAY, "feed_version": "v", "metric": "gini@10", "behind_popularity": 0.9}
    uri = Tables.of(settings).uri("gold.feed_audit")
    deltalake.write_deltalake(uri, pa.Table.from_pylist([row]))
    assert [one.row for one in beyond("gold.feed_audit", DAY, DAY, settings)] == ["v, gini@10"]
    put(settings, "gold.feed_audit", {**row, "feed_arm": "wide"})
    assert [one.row for one in beyond("gold.feed_audit", DAY, DAY, settings)] == ["v, gini@10, wide", "v, gini@10"]
