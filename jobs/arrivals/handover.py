"""Handing rows over to the ingest jobs: a file appears under its name only when it is whole, and only once.

Belongs here: the one way in which the importer and the simulated world write manifests and event files. The endpoint,
which may not import jobs and gets its events one by one, has a spool of its own making: serving/spool.py. Reading these
files: media.ingest, events.ingest.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias

import orjson

from jobs.engine.window import of_micros
from jobs.errors import ReelmillError
from jobs.host.files import appearing
from jobs.settings import Settings

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called as progress(what, done, total): `total` rows of the step `what` are expected, `done` are finished."""
# Below REELMILL_HOME, beside the lake: what imports keep back to judge by, which no job reads.
HELD_OUT_FOLDER = Path("held_out")


class OtherDataHere(ReelmillError):
    """This home already holds other data of the same kind, whose ids mean other things."""


def refuse_another(settings: Settings, source: str, name: str) -> None:
    """One home holds one data set of a source; `name` (source, dash, hex digits) is the one about to be written.

    Of a source that may come in pieces, `name` is what the names of all its pieces begin with.

    Without this, a second MovieLens import with another hold-out would bring into the lake what the first held out, and
    viewer 1 of two simulated worlds would become one person.
    """
    others = [path.name for path in (settings.landing / "manifests").glob(f"{source}-*.jsonl")]
    others = [other for other in sorted(others) if not other.startswith(name)]
    if others:
        raise OtherDataHere(
            f"{settings.home} already holds other data from {source} ({others[0]}): other files or other options. "
            "Set REELMILL_HOME to an empty folder for this one."
        )


def timestamp(milliseconds: int) -> str:
    """ISO-8601 in UTC, for milliseconds since 1970; negative ones too, which `fromtimestamp` refuses on Windows."""
    return instant(of_micros(milliseconds * 1000))


def instant(time: datetime) -> str:
    """A time with a zone as ISO-8601 in UTC, down to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_line(row: Mapping[str, object]) -> bytes:
    """One row as the ingest jobs read it, newline included."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def hand_over(path: Path, lines: Iterable[bytes]) -> Path:
    """Write lines (newlines included) to `path`, visible to readers only when complete.

    Ingest tracks a file by its name and never reads it twice, so the name must change when the content does: callers
    put a fingerprint into it. An existing file is therefore the same file, and is replaced by its equal.
    """
    with appearing(path) as unfinished, unfinished.open("wb") as file:
        file.writelines(lines)
    return path


def hand_over_parts(path_of: Callable[[int], Path], lines: Iterable[bytes], lines_per_file: int) -> list[Path]:
    """Hand lines over in as many files as they fill, part 0, 1, and so on; none of them is ever all in memory."""
    left = iter(lines)
    paths: list[Path] = []
    for first in left:
        paths.append(hand_over(path_of(len(paths)), chain((first,), islice(left, lines_per_file - 1))))
    return paths
