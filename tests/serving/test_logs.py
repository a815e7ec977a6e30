"""Lines of the log: as text and as JSON, with the request for which they were written."""

import json
import logging
from collections.abc import Iterator

import pytest

from serving.logs import request_id, trace_id, write_to_stderr


@pytest.fixture(autouse=True)
def logging_is_left_as_it_was() -> Iterator[None]:
    before = logging.root.handlers[:], logging.root.level
    yield
    write_to_stderr(as_json=False)
    logging.root.handlers[:], logging.root.level = before
    request_id.set("")
    trace_id.set("")


def test_text_is_the_message_and_the_request(capfd: pytest.CaptureFixture[str]) -> None:
    write_to_stderr(as_json=False)
    logging.getLogger("serving.spool").warning("the disk is %s", "full")
    request_id.set("r1")
    logging.getLogger("serving.spool").warning("the disk is %s", "full")
    logging.getLogger("serving.requests").info("GET /livez: 200")
    assert capfd.readouterr().err.splitlines() == ["the disk is full", "the disk is full (request r1)"]


def test_json_is_one_line_whatever_is_in_it(capfd: pytest.CaptureFixture[str]) -> None:
    write_to_stderr(as_json=True)
    request_id.set("r1")
    trace_id.set("t1")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("serving.spool").exception("it\nbroke")
    (line,) = capfd.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("error", "serving.spool", "it\nbroke")
    assert (told["request_id"], told["trace_id"]) == ("r1", "t1")
    assert told["time"].endswith("+00:00") and told["exception"].endswith("ValueError: two\nlines")
