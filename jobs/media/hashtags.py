"""The one spelling of a hashtag, whoever gives it: the command, a manifest that came over HTTP, or an import.

Belongs here: which spellings are the same hashtag. How free words of a data set become a hashtag: the importer.
"""

import unicodedata
from collections.abc import Iterable

# Blanks and what cannot be seen (controls, soft hyphens, zero-width signs, halves of surrogate pairs): two hashtags
# that look alike would be two.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})


def normal_hashtag(text: str) -> str:
    """NFKC and case folded, so full-width signs and capitals are plain ones; without "#" and blanks. May be ""."""
    # Lower case after folding, which writes Cherokee in capitals.
    folded = unicodedata.normalize("NFKC", text).casefold().lower()
    kept = "".join(c for c in folded if c != "#" and unicodedata.category(c) not in INVISIBLE)
    # Again: folding the case and taking signs out leaves letters that NFKC composes.
    return unicodedata.normalize("NFKC", kept)


def normal_hashtags(texts: Iterable[str | None]) -> list[str]:
    """Each normal hashtag once, in the order given; empty ones are left out."""
    return list(dict.fromkeys(tag for text in texts if text is not None and (tag := normal_hashtag(text))))
