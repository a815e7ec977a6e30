"""What a creator states of an upload, as the header `Upload-Metadata` of tus has it.

Belongs here: reading the header, and what its values may be. The contract of bronze.uploads says the same of titles and
hashtags as rules, by which a job would set the upload aside long after; a test holds the two together.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus

from serving.ids import is_id, why_not
from serving.incoming import Note
from serving.limits import Limits
from serving.problems import Problem, invalid_request

MAX_HEADER = 16 << 10
MAX_TITLE = 2_000
MAX_HASHTAGS = 1_000
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


def stated(header: str, length: int, limits: Limits) -> Note:
    """The note of a new upload of so many bytes. Raises a problem that names every value that is wrong."""
    values = _values(header)
    user_id, kind = values.get("user_id", ""), values.get("filetype", "")
    file_name = values.get("filename", "")
    title = values.get("title", "").strip() or file_name.rpartition(".")[0] or file_name
    hashtags = tuple(re.split(r"[\s,]+", values.get("hashtags", "").strip(", \t\r\n")))
    wrong = {}
    if not is_id(user_id):
        wrong["user_id"] = why_not(user_id)
    if len(title) > MAX_TITLE:
        wrong["title"] = f"must have at most {MAX_TITLE} characters"
    if len(hashtags) > MAX_HASHTAGS:
        wrong["hashtags"] = f"must be at most {MAX_HASHTAGS}"
    if wrong:
        raise invalid_request({f"metadata.{name}": reason for name, reason in wrong.items()})
    # Whoever does not know leaves it out, as some browsers do: what a file is, its content says in the end.
    if kind and not _is_among(kind, limits.types):
        detail = f"a file of the type {kind[:100]!r} is not taken; taken is {limits.types}"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "type-not-taken", detail)
    return Note(user_id, title, tuple(filter(None, hashtags)), file_name, header, length)


def _values(header: str) -> Mapping[str, str]:
    """The pairs of a header: a key, a space and base64, with commas between them. Raises a problem."""
    values: dict[str, str] = {}
    if len(header) > MAX_HEADER:
        raise _invalid(f"it has more than {MAX_HEADER} characters")
    for pair in filter(None, (pair.strip() for pair in header.split(","))):
        name, _, packed = pair.partition(" ")
        if not _KEY.fullmatch(name) or name in values:
            raise _invalid(f"{name[:40]!r} is not a key, or is there twice")
        try:
            values[name] = b64decode(packed.strip(), validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise _invalid(f"the value of {name[:40]!r} is not UTF-8 in base64") from error
    return values


def _invalid(why: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "metadata-invalid", f"Upload-Metadata cannot be read: {why}")


def _is_among(kind: str, types: str) -> bool:
    """Whether a media type, whatever its parameters, is one of `types`, which may end with a star."""
    kind = kind.partition(";")[0].strip().lower()
    for wanted in (one.strip().lower() for one in types.split(",")):
        if kind == wanted or (wanted.endswith("*") and kind.startswith(wanted[:-1])):
            return True
    return False
