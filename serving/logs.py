"""The log of the endpoint: each line says for which request it was written, as text or as JSON.

Belongs here: the form of a line. What is noted of each request: requests.py. What is worth a line: the module that
finds it out.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

# Of the request that is being answered; empty beside one. The trace is there where requests are traced.
request_id: ContextVar[str] = ContextVar("request_id", default="")
trace_id: ContextVar[str] = ContextVar("trace_id", default="")
# Of a record, what else its line of JSON says: a mapping.
FIELDS = "fields"


def write_to_stderr(*, as_json: bool) -> None:
    """Write what this process logs to stderr; as JSON, an object a line, and a line for each request too."""
    handler = logging.StreamHandler()
    handler.setFormatter(_AsJson() if as_json else _AsText())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("serving.requests").setLevel(logging.INFO if as_json else logging.NOTSET)


class _AsText(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        known = request_id.get()
        return f"{record.message} (request {known})" if known else record.message


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{of.name: of.get() for of in (request_id, trace_id) if of.get()},
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()
