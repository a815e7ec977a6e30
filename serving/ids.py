"""The one rule for ids, in every door: what can be posted can be read.

Belongs here: what an id of a viewer, video, event, session, sound or feed may look like. The contracts of the tables
that take ids in say the same as a row rule; a test holds the two together.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field
from pydantic.functional_validators import AfterValidator

MAX_ID = 128
# Without "/", which proxies and clients take for the end of an id even where it is escaped, and without control
# characters. "." and ".." would be resolved as steps of a path before they are sent.
PATTERN = r"^[^\x00-\x1f\x7f/]+$"
_STEPS = frozenset({".", ".."})
_RULE = re.compile(rf"[^\x00-\x1f\x7f/]{{1,{MAX_ID}}}")


def is_id(text: str) -> bool:
    """Whether this may be an id."""
    return bool(_RULE.fullmatch(text)) and text not in _STEPS


def why_not(text: str) -> str:
    """What an id must be, for whoever sent something else."""
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return f"{shown!r} is not an id: 1 to {MAX_ID} characters, none of them / or a control character, and not . or .."


def _no_step(text: str) -> str:
    if text in _STEPS:
        raise ValueError('must not be "." or ".."')
    return text


Id = Annotated[str, Field(min_length=1, max_length=MAX_ID, pattern=PATTERN), AfterValidator(_no_step)]
