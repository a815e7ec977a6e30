"""People count once; a creator, a crowd of accounts and accounts of today add little."""

from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from jobs.engine.frames import frame_of, rows_of
from jobs.engine.window import HOUR, of_micros
from jobs.features.independent import CROWD_COUNTS, NEW_D, counted

NOW = 400_000
PEOPLE = "kind STRING, id STRING, at BIGINT, user_id STRING, creator_id STRING, hour BIGINT"
OLD, RING = [f"old{n}" for n in range(8)], [f"ring{n}" for n in range(8)]
Counted = dict[tuple[str, str], Row]


def watches(spark: SparkSession, rows: Sequence[tuple[str, str, int, str | None]]) -> DataFrame:
    """silver.watches of (user_id, video_id, hours before now, feed_version)."""
    common: dict[str, Any] = {"share_watched": 0.5, "watch_ms": 1000}
    common |= dict.fromkeys(("is_finished", "is_skipped", "is_liked", "is_shared"), False)
    return rows_of(spark, "silver.watches", [
        {"user_id": user, "video_id": video, "started_at": of_micros(0) + (NOW - ago) * HOUR, "feed_version": version}
        for user, video, ago, version in rows
    ])  # fmt: skip


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> Counted:
    """How much counts, by kind and id, in a world of forty others, where `OLD` and `RING` are there for long."""
    people = [("videos", "well", NOW, user, "maker", NOW) for user in OLD]
    people += [("videos", "twice", NOW, OLD[0], "maker", NOW - ago) for ago in (0, 1, 3)]
    people += [("videos", "own", NOW, user, OLD[0], NOW) for user in OLD[:3]]
    people += [("videos", "pushed", NOW, user, "maker", NOW) for user in (*RING, OLD[0])]
    people += [("videos", "by feed", NOW, user, "maker", NOW) for user in OLD]
    people += [("videos", "new accounts", NOW, user, "maker", NOW) for user in ("n1", "n2", "n3", OLD[0])]
    people += [("hashtags", "of one", NOW, user, "maker", NOW) for user in OLD]
    people += [("hashtags", "of some", NOW, user, f"maker{n % 4}", NOW) for n, user in enumerate(OLD)]
    seen: list[tuple[str, str, int, str | None]] = [(user, f"long ago {user}", 24 * 5, None) for user in (*OLD, *RING)]
    # The ring did the same with two other videos; what the old ones watched together, a feed had shown them.
    seen += [(user, f"also pushed {n}", 24 * n, None) for user in RING for n in (1, 2)]
    seen += [(user, f"shown {n}", 24 * n, "a feed") for user in OLD for n in (1, 2)]
    # Most people watch by a feed: they are there all the same.
    seen += [(f"other{n}", "well known", 1, "a feed") for n in range(40)]
    seen += [(user, "new accounts", 0, None) for user in ("n1", "n2", "n3")]
    shown = frame_of(spark, "video_id STRING, hour BIGINT", [("nothing", NOW)])
    rows = counted(frame_of(spark, PEOPLE, people), watches(spark, seen), shown, began=NOW - 24 * 30).collect()
    return {(row.kind, row.id): row for row in rows}


def test_people_count_once_by_when_they_came_last(found: Counted) -> None:
    assert (found["videos", "well"].people, found["videos", "well"].lately) == (8, 8.0)
    assert (found["videos", "twice"].people, found["videos", "twice"].lately) == (1, 1.0)


def test_nobody_counts_for_what_they_made(found: Counted) -> None:
    assert found["videos", "own"].people == 2


def test_of_accounts_that_act_together_a_few_count(found: Counted) -> None:
    pushed = found["videos", "pushed"]
    assert (pushed.people, pushed.not_counted) == (CROWD_COUNTS + 1, len(RING) - CROWD_COUNTS)


def test_what_a_feed_showed_to_all_of_them_makes_no_crowd(found: Counted) -> None:
    assert found["videos", "by feed"].not_counted == 0


def test_accounts_of_today_count_at_most_as_many_as_those_that_were_here(found: Counted) -> None:
    assert found["videos", "new accounts"].lately == 2.0


def test_of_a_hashtag_one_creator_counts_as_much_as_all_others(found: Counted) -> None:
    assert found["hashtags", "of one"].lately == 0.0
    assert found["hashtags", "of some"].lately == 8.0


def test_on_a_new_platform_all_accounts_are_new_and_what_was_listed_makes_no_crowd(spark: SparkSession) -> None:
    people = [("videos", "pushed", NOW, user, "maker", NOW) for user in RING]
    seen = [(user, f"also pushed {n}", n, None) for user in RING for n in (1, 2)]
    seen += [(f"other{n}", "well known", 1, None) for n in range(40)]
    shown = frame_of(spark, "video_id STRING, hour BIGINT", [(f"also pushed {n}", NOW - 3) for n in (1, 2)])
    rows = counted(frame_of(spark, PEOPLE, people), watches(spark, seen), shown, began=NOW - NEW_D * 24).collect()
    assert [(row.people, row.lately) for row in rows] == [(8, 8.0)]
