"""Cuts the text of a JSON array into the texts of its elements, whatever is wrong inside one of them.

Belongs here: where an element begins and ends. A parser takes all elements or none, and gives back other text than it
was given; here one broken element costs only itself, and is kept as it was received.
"""

from __future__ import annotations

import re

# A string that never ends takes all the rest: else each quote in it would be tried as a beginning. Possessive, so that
# no text makes the matcher go back.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{\]},]', re.DOTALL)


def elements(text: bytes, at_most: int) -> list[bytes] | None:
    """The text of each element, of the first `at_most` + 1; None for text that is not an array or never closes.

    Only strings, brackets and commas are looked at, in one pass without recursion: however deep, nothing can fail.
    """
    text = text.strip()
    if not text.startswith(b"["):
        return None
    found: list[bytes] = []
    depth, begin = 0, 1
    for token in _TOKEN.finditer(text):
        match token[0][:1]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
            case b"," if depth == 1:
                found.append(text[begin : token.start()])
                begin = token.end()
        if len(found) > at_most:
            return found
        if depth == 0:
            last = text[begin : token.start()]
            if found or last.strip():
                found.append(last)
            return found if token.end() == len(text) else None
    return None
