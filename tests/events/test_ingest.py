"""Taking events in: each once, whatever is delivered twice, torn, or killed half-way."""

import json
import math
import os
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pydantic import ValidationError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_contracts.contract import ID_RULE
from jobs.arrivals.lines import MAX_KEPT_CHARACTERS
from jobs.engine.frames import frame_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events import ingest
from serving.events import Event
from serving.ids import MAX_ID, is_id
from serving.interactions import (
    AHEAD,
    EARLIEST,
    MAX_HASHTAG,
    MAX_SHARE,
    MAX_WATCH_MS,
    OF_HASHTAGS,
    POSITIONS,
    EventType,
)

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

ANY_WINDOW = Window.of_day(date(2024, 3, 1))


def event(event_id: str, **said: Any) -> dict[str, Any]:
    """A complete view, with whatever the test says of it."""
    return {
        "event_id": event_id,
        "user_id": "ann",
        "video_id": "cats",
        "event_type": "view",
        "event_at": "2024-03-01T10:00:00Z",
        "watch_ms": 4000,
        "received_at": "2024-03-01T10:00:05Z",
        **said,
    }


def spool(lake: Lake, name: str, *lines: str | dict[str, Any]) -> Path:
    folder = lake.settings.events
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def events_of(lake: Lake) -> DataFrame:
    return lake.read(ingest.TABLE)


def ids(lake: Lake) -> list[str]:
    return sorted(row["event_id"] for row in events_of(lake).collect())


def refused(lake: Lake) -> dict[str, str]:
    """What is in quarantine, by raw line or event id: the reason that the job gave, or the rules that were broken."""
    rows = [(json.loads(r["row"]), r["rules"]) for r in lake.read("quarantine.bronze.events").collect()]
    return {row.get("line", row.get("event_id")): row.get("reason", ", ".join(rules)) for row, rules in rows}


def parsed(spark: SparkSession, *lines: str | dict[str, Any], check: Column | None = None) -> list[Any]:
    rows = [(line if isinstance(line, str) else json.dumps(line), "f.jsonl") for line in lines]
    frame = frame_of(spark, "line string, file string", rows)
    read = ingest.parse(frame.selectExpr("*", "TIMESTAMP '2024-03-02 00:00:00' AS modified_at"))
    return (read if check is None else read.withColumn("check", check)).collect()


def test_without_a_spool_nothing_happens(lake: Lake) -> None:
    ingest.run(lake, ANY_WINDOW)
    assert not lake.exists(ingest.TABLE)


def test_an_event_delivered_twice_counts_once(lake: Lake) -> None:
    spool(lake, "a.jsonl", event("e1"), event("e1"), event("e2"))
    spool(lake, "b.jsonl", event("e2"))
    ingest.run(lake, ANY_WINDOW)
    spool(lake, "c.jsonl", event("e1"), event("e3"))
    ingest.run(lake, ANY_WINDOW)
    assert ids(lake) == ["e1", "e2", "e3"]


def test_two_people_may_give_their_events_the_same_id(lake: Lake) -> None:
    spool(lake, "a.jsonl", event("1"), event("1", user_id="ben"))
    ingest.run(lake, ANY_WINDOW)
    spool(lake, "b.jsonl", event("1", user_id="eve"))
    ingest.run(lake, ANY_WINDOW)
    assert sorted(row["user_id"] for row in events_of(lake).collect()) == ["ann", "ben", "eve"]


def test_a_second_event_under_the_id_of_another_is_set_aside(lake: Lake) -> None:
    later = {"received_at": "2024-03-01T11:00:00Z"}
    spool(lake, "a.jsonl", event("1"), event("1", **later), event("1", video_id="dogs", **later))
    ingest.run(lake, ANY_WINDOW)
    again = {"received_at": "2024-03-02T00:00:00Z"}
    # Retries of what is set aside, in this batch and of the one before, are none of their own.
    retried = [event("1", video_id="dogs", **again), event("1", watch_ms=1, received_at="2024-03-02T00:01:00Z")]
    other = event("1", watch_ms=1, **again)
    spool(lake, "b.jsonl", event("1", **again), *retried, other, event("2", watch_ms=None), event("2"))
    ingest.run(lake, ANY_WINDOW)
    assert [(e["event_id"], e["video_id"], e["watch_ms"]) for e in events_of(lake).orderBy("event_id").collect()] == [
        ("1", "cats", 4000),
        ("2", "cats", 4000),
    ]
    aside = [(json.loads(r["row"]), r["rules"]) for r in lake.read("quarantine.bronze.events").collect()]
    assert sorted(
        (rules[0], row["video_id"], row.get("watch_ms"), row["received_at"])
        for row, rules in aside
        if row["event_id"] == "1"
    ) == [
        ("same_key_same_content", "cats", 1, "2024-03-02T00:00:00.000Z"),
        ("same_key_same_content", "dogs", 4000, "2024-03-01T11:00:00.000Z"),
    ]
    assert [rules for row, rules in aside if row["event_id"] == "2"] == [["view_says_how_long"]]


def test_an_id_is_compared_with_those_of_a_day_and_an_event_that_comes_again_months_later_is_the_same(
    lake: Lake,
) -> None:
    late = {"received_at": "2024-06-02T00:00:00Z"}
    spool(lake, "a.jsonl", event("1"), event("2", event_at="2024-06-01T10:00:00Z", **late))
    ingest.run(lake, ANY_WINDOW)
    # The first once more, and under its id another of the day after.
    spool(lake, "b.jsonl", event("1", **late), event("1", event_at="2024-03-02T09:59:00Z", **late))
    ingest.run(lake, ANY_WINDOW)
    spool(lake, "c.jsonl", event("1", event_at="2024-03-03T10:00:00Z", **late))
    ingest.run(lake, ANY_WINDOW)
    found = [(row["event_id"], str(row["event_at"])[:10]) for row in events_of(lake).orderBy("event_at").collect()]
    assert found == [("1", "2024-03-01"), ("1", "2024-03-03"), ("2", "2024-06-01")]
    assert set(refused(lake).values()) == {"same_key_same_content"}


def test_a_run_with_nothing_new_commits_nothing(lake: Lake) -> None:
    spool(lake, "a.jsonl", event("e1"))
    ingest.run(lake, ANY_WINDOW)
    before = lake.version(ingest.TABLE)
    ingest.run(lake, ANY_WINDOW)
    assert lake.version(ingest.TABLE) == before


def test_a_run_empties_the_spool_and_takes_in_what_a_dead_endpoint_acknowledged(lake: Lake) -> None:
    folder = lake.settings.events
    for name in ("rejected", "_archive/2020-01-01"):
        (folder / name).mkdir(parents=True)
    spool(lake, "rejected/2020-01-01.jsonl", "long ago")
    spool(lake, "_archive/2020-01-01/old.jsonl", "long ago")
    spool(lake, "a.jsonl", event("e1"))
    spool(lake, ".1-1.jsonl", event("e2"))
    ingest.run(lake, ANY_WINDOW)
    assert ids(lake) == ["e1", "e2"]
    spool(lake, "b.jsonl", event("e3"))
    ingest.run(lake, ANY_WINDOW)
    assert ids(lake) == ["e1", "e2", "e3"]
    left = list(folder.rglob("*.jsonl"))
    assert sorted(path.name for path in left) == ["1-1.jsonl", "a.jsonl", "b.jsonl"]
    assert {path.parent.parent for path in left} == {folder / "_archive"}


def test_a_run_that_died_before_its_checkpoint_changes_nothing_when_run_again(lake: Lake) -> None:
    spool(lake, "a.jsonl", event("e1"), "torn", "torn")
    ingest.run(lake, ANY_WINDOW)
    # What a kill between the commit and the checkpoint leaves behind: the rows are in, the batch counts as not done.
    (done,) = (lake.settings.checkpoints / "events.ingest" / "commits").glob("0")
    done.unlink()
    (done.parent / ".0.crc").unlink(missing_ok=True)
    (archived,) = lake.settings.events.glob("_archive/*/a.jsonl")
    archived.rename(lake.settings.events / "a.jsonl")
    ingest.run(lake, ANY_WINDOW)
    assert ids(lake) == ["e1"]
    assert lake.read("quarantine.bronze.events").count() == 2  # equal broken lines count each, and once


def test_files_still_being_written_and_refused_ones_are_left_alone(lake: Lake) -> None:
    spool(lake, "a.jsonl", event("e1"))
    spool(lake, ".b.jsonl", event("e2"))
    spool(lake, "notes.txt", event("e3"))
    (lake.settings.events / "rejected").mkdir()
    spool(lake, "rejected/2024-03-01.jsonl", event("e4"))
    ingest.run(lake, ANY_WINDOW)
    assert ids(lake) == ["e1"]


def test_a_file_older_than_those_before_it_is_taken_in(lake: Lake) -> None:
    spool(lake, "a.jsonl", event("e1"))
    ingest.run(lake, ANY_WINDOW)
    old = spool(lake, "b.jsonl", event("e2"))
    os.utime(old, (1, 1))
    ingest.run(lake, ANY_WINDOW)
    assert ids(lake) == ["e1", "e2"]


def test_broken_lines_are_kept_with_their_reason_and_stop_nobody(lake: Lake) -> None:
    torn, two = '{"event_id": "e8", "user', json.dumps(event("e6")) + json.dumps(event("e7"))
    spool(
        lake,
        "a.jsonl",
        event("good"),
        "",
        torn,
        two,
        event("late", event_at="yesterday"),
        event("slot", position=1.5),
        {k: v for k, v in event("nobody").items() if k != "user_id"},
        event("wink", event_type="wink"),
        event("empty", watch_ms=None),
        event("ahead", event_at="2031-01-01T00:00:00Z"),
    )
    ingest.run(lake, ANY_WINDOW)
    reasons = refused(lake)
    assert ids(lake) == ["good"]
    assert reasons[torn] == reasons[two] == "the line is not one JSON object"
    assert {reason for line, reason in reasons.items() if line.startswith("{") and line not in (torn, two)} == {
        "event_at is no timestamp: yesterday",
        "position is no int: 1.5",
        "user_id is missing",
    }
    assert reasons["wink"] == "event_type_is_known"
    assert reasons["empty"] == "view_says_how_long"
    assert reasons["ahead"] == "event_at_is_not_ahead"
    assert len(reasons) == 8


def test_an_event_without_a_time_of_receipt_gets_that_of_its_file(spark: SparkSession) -> None:
    early, ahead = parsed(
        spark, event("e1", received_at=None), event("e2", received_at=None, event_at="2024-03-05T00:00:00Z")
    )
    assert early["received_at"].isoformat() == "2024-03-02T00:00:00"
    assert ahead["received_at"] == ahead["event_at"]  # nothing is received before it happens


@pytest.mark.parametrize(
    "said, reason",
    [
        ({"event_at": "2024-03-01"}, "event_at is no timestamp: 2024-03-01"),
        ({"event_at": "2024-03-01T10:00:00"}, "event_at is no timestamp: 2024-03-01T10:00:00"),
        ({"event_at": 1709287200}, "event_at is no timestamp: 1709287200"),
        ({"event_at": "2024-13-01T10:00:00Z"}, "event_at is no timestamp: 2024-13-01T10:00:00Z"),
        ({"watch_ms": "long"}, "watch_ms is no bigint: long"),
        ({"user_id": ""}, "user_id is missing"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(spark: SparkSession, said: dict[str, Any], reason: str) -> None:
    (row,) = parsed(spark, event("e1", **said))
    assert row["reason"] == reason


def test_what_the_endpoint_acknowledges_is_not_set_aside_for_its_values(spark: SparkSession) -> None:
    now = datetime.now(UTC)
    longest = "\N{GRINNING FACE}" * MAX_ID
    view = {"user_id": "ann", "video_id": "cats", "event_type": "view", "event_at": now.isoformat(), "watch_ms": 1}
    edges: list[dict[str, Any]] = [
        *({name: longest} for name in ("event_id", "user_id", "video_id", "session_id", "feed_version")),
        *({"user_id": odd} for odd in (" ", "%", "'", "...", "\\", "\x80", "\u2028", "{", "NULL")),
        *({"event_at": at} for at in (EARLIEST.isoformat(), "1990-01-01T14:00:00+14:00", (now + AHEAD).isoformat())),
        *(
            {"event_type": event_type}
            for event_type in EventType
            if event_type not in (*OF_HASHTAGS, EventType.WITHDRAW)
        ),
        *({"event_type": OF_HASHTAGS[0], "hashtag": tag} for tag in ("#Cats", "ΟΔΟΣ", "İ", "x" * MAX_HASHTAG)),
        *({"watch_ms": ms} for ms in (0, MAX_WATCH_MS)),
        *({"share_watched": share} for share in (0, -0.0, 5e-324, 0.1, MAX_SHARE)),
        *({"position": position} for position in (0, POSITIONS - 1)),
    ]
    events = [Event.model_validate({**view, **edge}, context=now).record(now) for edge in edges]
    lines = [orjson.dumps(event, option=orjson.OPT_UTC_Z).decode() for event in events]
    rows = parsed(spark, *lines, check=F.coalesce(ingest.plausible(), F.lit(False)))
    assert [(row["reason"], row["check"]) for row in rows] == [(None, True)] * len(edges)


def test_what_the_lake_sets_aside_for_its_values_the_endpoint_rejects_and_only_a_far_slot_and_a_withdrawal_besides(
    spark: SparkSession,
) -> None:
    now, instant = datetime.now(UTC), timedelta(microseconds=1)
    beyond: list[dict[str, Any]] = [
        *({"event_at": at.isoformat()} for at in (EARLIEST - instant, now + AHEAD + instant)),
        {"event_type": "swiped"},
        *({"watch_ms": ms} for ms in (-1, MAX_WATCH_MS + 1)),
        *({"share_watched": share} for share in (-5e-324, math.nextafter(MAX_SHARE, math.inf))),
        {"watch_ms": None, "share_watched": None},
        {"event_type": OF_HASHTAGS[1]},
        {"hashtag": "cats"},
        {"event_type": OF_HASHTAGS[0], "hashtag": "x" * (MAX_HASHTAG + 1)},
        {"position": -1},
        {"position": POSITIONS},
        {"event_type": EventType.WITHDRAW},
    ]
    complete = {**event("e1"), "event_at": now.isoformat(), "received_at": now.isoformat()}
    for wrong in beyond:
        with pytest.raises(ValidationError):
            Event.model_validate({k: v for k, v in {**complete, **wrong}.items() if k != "received_at"}, context=now)
    rows = parsed(
        spark, *({**complete, **wrong} for wrong in beyond), check=F.coalesce(ingest.plausible(), F.lit(False))
    )
    assert [row["check"] for row in rows] == [False] * (len(beyond) - 2) + [True, True]


def test_a_contract_and_the_endpoint_have_one_rule_for_ids(spark: SparkSession) -> None:
    chance = random.Random(7)
    alphabet = "ab./\\%'\x00\x1f\x20\x7f\x80\u2028\N{GRINNING FACE}"
    texts = [
        "",
        ".",
        "..",
        "...",
        "team/ann",
        "a" * MAX_ID,
        "a" * (MAX_ID + 1),
        "\N{GRINNING FACE}" * MAX_ID,
        "\N{GRINNING FACE}" * (MAX_ID + 1),
    ]
    texts += ["".join(chance.choices(alphabet, k=chance.randrange(5))) for _ in range(500)]
    frame = frame_of(spark, "id string", [(text,) for text in texts])
    ruled = frame.select("id", F.expr(ID_RULE.format("id")).alias("is_id")).collect()
    assert {row["id"]: row["is_id"] for row in ruled} == {text: is_id(text) for text in texts}


def test_what_pretends_to_be_one_object_is_not(spark: SparkSession) -> None:
    one, other = json.dumps(event("e1")), json.dumps(event("e2"))
    forged = [
        f'{one},"event":{other}',
        f'{one},"is_whole":true}}{other}',
        f"{one} {other}",
        f"[{one}]",
        "null",
        one[:-1] + ', "share_watched": NaN}',
        one[:-1] + ', "extra": ' + "[" * 1010 + "]" * 1010 + "}",  # too deep for one of the parsers, and for both
        one[:-1] + ', "extra": ' + "[" * 100_000 + "]" * 100_000 + "}",
        one[:-1] + ', "position": ' + "9" * 5000 + "}",
    ]
    assert {row["reason"] for row in parsed(spark, *forged)} == {"the line is not one JSON object"}


def test_a_line_that_is_not_utf8_or_has_no_end_stops_nobody(lake: Lake) -> None:
    path = spool(lake, "a.jsonl", event("e1"))
    latin = json.dumps(event("e2")).encode().replace(b"cats", b"c\xe4ts")
    path.write_bytes(path.read_bytes() + latin + b"\n" + b"x" * 100_000 + b"\n")
    ingest.run(lake, ANY_WINDOW)
    assert ids(lake) == ["e1"]
    assert sorted(map(len, refused(lake))) == [len(latin), MAX_KEPT_CHARACTERS]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
almost_events = st.fixed_dictionaries({}, optional=dict.fromkeys(event("e1"), json_values))
lines = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=40),
    json_values.map(json.dumps),
    almost_events.map(lambda said: json.dumps({**event("e1"), **said})),
    almost_events.map(lambda said: json.dumps({**event("e1"), **said}) + json.dumps(said)),
)


@given(st.lists(lines, min_size=20, max_size=60))
@hypothesis(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_is_an_event_or_has_a_reason(spark: SparkSession, batch: list[str]) -> None:
    rows = parsed(spark, *batch)
    assert len(rows) == len(batch)
    for row in rows:
        if row["reason"] is None:
            said = json.loads(row["line"])  # so it is one value, and an object
            assert {"event_id", "user_id", "video_id", "event_type", "event_at"} <= said.keys()
            assert row["event_at"] is not None and row["received_at"] is not None
