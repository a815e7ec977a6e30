"""What a paging cursor says, and the signature that makes it ours.

Belongs here: the cursor's text form. Reading the pinned feed: feed_store/. The HTTP status of a bad one: problems.py.

A cursor is `<payload>.<signature>`, both base64url. The signature covers the payload AND the viewer it was given to, so
a cursor cannot be altered, forged, or used to page through somebody else's feed, and carries no personal data itself.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

import orjson

# Of a detour: there is none.
NONE = -1
_SIGNATURE_BYTES = 16  # 128 bits of HMAC-SHA256, the least that RFC 2104 section 5 advises


class CursorInvalid(ValueError):
    """The text is not a cursor that this service gave to this viewer."""


class Cursor(NamedTuple):
    """Where the next page starts. `generation` pins immutable lists, so a publish in between moves nothing.

    `as_of` says what had been shown when the first page was read (feed_store/seen.py), since what is shown meanwhile
    must not move the others. `detour` is how far somebody has got in the list for strangers while Redis was away.
    """

    generation: str
    version: str
    is_fallback: bool
    position: int
    as_of: int = 0
    detour: int = NONE


class CursorSigner:
    """Turns cursors into text and back. Every process that serves the same feeds needs the same `secret`."""

    def __init__(self, secret: str) -> None:
        if not secret:
            raise ValueError(
                "The secret that signs cursors is empty. Delete the file `secret` in REELMILL_HOME: the next start "
                "makes a new one, and cursors given out before become invalid."
            )
        # A key of its own, so that nothing else signed with the same secret passes for a cursor.
        self._key = hmac.digest(secret.encode(), b"reelmill feed cursor", "sha256")

    def seal(self, cursor: Cursor, viewer_id: str) -> str:
        payload = urlsafe_b64encode(orjson.dumps(cursor[:]))
        return f"{payload.decode()}.{self._signature(payload, viewer_id).decode()}"

    def open(self, text: str, viewer_id: str) -> Cursor:
        """The cursor in `text`. Raises CursorInvalid when it was altered, forged or given to another viewer."""
        payload, _, signature = text.encode(errors="surrogatepass").rpartition(b".")
        # The encoded signature is compared, not the decoded one: base64 has several spellings of the same bytes.
        if not hmac.compare_digest(signature, self._signature(payload, viewer_id)):
            raise CursorInvalid("the cursor was altered, or was given to another viewer")
        return Cursor(*orjson.loads(urlsafe_b64decode(payload)))

    def _signature(self, payload: bytes, viewer_id: str) -> bytes:
        message = payload + b"\n" + viewer_id.encode(errors="surrogatepass")  # base64 has no newline: unambiguous
        return urlsafe_b64encode(hmac.digest(self._key, message, "sha256")[:_SIGNATURE_BYTES]).rstrip(b"=")
