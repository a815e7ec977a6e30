"""What names a person: a row by its columns, a line by the row that it holds, and what is neither by a word in it."""

import json

import pytest

from data_contracts import load
from jobs.ops.person import Naming, Person, line_names, predicate
from jobs.ranking.sources import registry

ANN = Person("ann", frozenset({"cats"}))
EVENTS, UPLOADS = load("bronze.events"), load("bronze.uploads")


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("silver.watches", [Naming("user_id", frozenset({"ann"})), Naming("video_id", frozenset({"cats"}))]),
        ("gold.user_daily", [Naming("user_id", frozenset({"ann"}))]),
        ("gold.similar_videos", [Naming(name, frozenset({"cats"})) for name in ("video_id", "neighbour_id")]),
        (
            "gold.trending",
            [
                Naming("id", frozenset({"ann"}), ("kind", frozenset({"user"}))),
                *(Naming("id", frozenset({"cats"}), ("kind", frozenset({kind}))) for kind in ("video", "videos")),
            ],
        ),
        ("gold.models", []),
    ],
)
def test_a_table_names_them_by_what_its_contract_says_that_its_columns_identify(
    table: str, columns: list[Naming]
) -> None:
    assert ANN.naming(load(table)) == columns


def test_who_made_no_video_is_named_by_no_column_of_videos() -> None:
    assert Person("ann").naming(load("gold.similar_videos")) == []


def test_what_goes_into_the_log_holds_no_id() -> None:
    text = predicate(ANN, load("silver.watches"), salt="0") or ""
    assert "user_id" in text and "ann" not in text and "cats" not in text


def event(**values: object) -> str:
    return json.dumps({"event_id": "e", "user_id": "ben", "video_id": "dogs", **values})


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (event(), False),
        (event(user_id="ann"), True),
        (event(user_id="anna"), False),
        (event(video_id="cats"), True),
        (event(session_id="ann"), False),
        ('{"user_id": "\\u0061nn"}', True),
        # What is none: it lacks the column, is another thing, is torn, or holds the text of one.
        ('{"user": "ann"}', True),
        ('{"user": "anna"}', False),
        ('{"events": [{"user_id": "ben"}, {"user_id": "ann"}]}', True),
        ('{"event_id": "e", "user_id": "ann", "vid', True),
        ('{"event_id": "e", "user_id": "anna", "vid', False),
        ("<html>ann-marie</html>", False),
        (json.dumps({"refused": "no time", "file": "log.csv", "line": 7, "text": "ann;dogs;yesterday"}), True),
        (json.dumps({"refused": "no time", "file": "log.csv", "line": 7, "text": "joann;dogs;yesterday"}), False),
        (json.dumps({"file": "f", "line": event(user_id="ann")[:-1], "reason": "torn", "copy": 1}), True),
        (json.dumps({"received_at": "now", "reason": "no", "bytes": 9, "raw": event(user_id="ann")}), True),
        (json.dumps({"received_at": "now", "reason": "no", "bytes": 9, "raw": event()}), False),
    ],
)
def test_a_line_names_them_by_the_columns_of_its_row_and_what_is_no_row_by_any_value(line: str, names: bool) -> None:
    assert line_names(ANN, EVENTS, line) is line_names(ANN, EVENTS, line.encode()) is names


def test_what_is_counted_beside_a_refused_text_is_nobodys_id() -> None:
    kept = {"file": "f", "reason": "torn", "copy": 1, "bytes": 1, "line": "<html>"}
    assert not line_names(Person("1"), EVENTS, json.dumps(kept))
    assert not line_names(Person("1"), EVENTS, json.dumps({**kept, "line": 1, "raw": "2;3"}))
    assert line_names(Person("1"), EVENTS, json.dumps({**kept, "line": 1, "raw": "1;3"}))
    # An object of others, with a text beside the id.
    assert line_names(Person("1"), EVENTS, json.dumps({"user": 1, "text": "fine"}))


@pytest.mark.parametrize("depth", [480, 1000, 5000])
def test_a_text_as_deep_as_can_be_sent_is_searched_like_any(depth: int) -> None:
    for inner, names in (("", False), ('{"user_id": "ann"}', True)):
        raw = "[" * depth + inner + "]" * depth
        record = {"received_at": "now", "reason": "no", "bytes": len(raw), "raw": raw}
        assert line_names(ANN, EVENTS, json.dumps(record)) is names


def test_a_proposal_goes_by_a_video_only_where_its_source_does() -> None:
    naming = ANN.naming(load("gold.candidates"))
    sources = {source.name for source in (*registry.SOURCES, *registry.KEPT, *registry.JUDGED)}
    by_video = {source for *_, only in naming if only and only[0] == "source" for source in only[1]}
    assert sources - by_video == {"popular", "popularity", "fresh", "neighbours"}
    assert "source IN (" in (predicate(ANN, load("gold.candidates"), salt="0") or "")


def test_an_upload_is_of_who_made_it_and_not_of_who_gave_it_its_title() -> None:
    upload = {"upload_id": "dogs", "user_id": "ben", "title": "ann", "duet_of": "cats"}
    assert not line_names(ANN, UPLOADS, json.dumps(upload))
    assert line_names(ANN, UPLOADS, json.dumps({**upload, "user_id": "ann"}))
    assert line_names(ANN, UPLOADS, json.dumps({**upload, "upload_id": "cats"}))
    # Numbers of an import are ids as well.
    assert line_names(Person("7"), UPLOADS, json.dumps({**upload, "user_id": 7}))


def test_bytes_that_are_no_text_do_not_hide_a_name() -> None:
    assert line_names(ANN, EVENTS, b'\xff {"user_id": "ann"')
