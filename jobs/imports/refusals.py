"""Rows of an import that cannot be used: counted by reason with the first places, and handed over to be kept.

Belongs here: what happens to such a row, whichever import it belongs to. It goes through the same door as the good
ones, as a line that says itself why it is none (`refused`); the ingest jobs set it aside in the quarantine of their
table, whole, with its file and line. Why a value cannot be used: values.py.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from jobs.arrivals.handover import json_line
from jobs.arrivals.lines import MAX_KEPT_CHARACTERS, REFUSED

# Of each reason, so many places are named; the others are in quarantine.
PLACES = 3


@dataclass
class Refusals:
    """What was refused so far; the lines themselves are in `kept`, an open file, and never in memory."""

    kept: IO[bytes]
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, path: Path, line: int, text: str, reason: str) -> None:
        self.counts[reason] += 1
        if len(self.places[reason]) < PLACES:
            self.places[reason].append(f"{path.name}:{line}")
        self.kept.write(
            json_line({REFUSED: reason, "file": path.name, "line": line, "text": text[:MAX_KEPT_CHARACTERS]})
        )

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def told(self) -> tuple[str, ...]:
        """A sentence for each reason, the most frequent first."""
        by_count = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(f"{count:,} rows: {reason} ({_where(count, self.places[reason])})" for reason, count in by_count)


def _where(count: int, places: list[str]) -> str:
    return ", ".join(places) + (", ..." if count > len(places) else "")
