"""What viewers were shown lately, so that a new feed does not begin with it; kept without reading any history.

Belongs here: the one value of a viewer, how it is written, and what of it holds for a page. Which events say that a
video was shown: serving/events.py. Who leaves it out: reader.py.

The value is the number of all marks that were ever added, in four bytes, and the newest marks in the order in which
they came. So a page can go by what had been shown when its first page was read: a cursor says how many marks there were
then, and what came later lies behind them. What does not fit falls out at the front; all of it goes TTL_S after the
last video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from serving.feed_store.layout import in_key, mark
from serving.feed_store.wire import Script

# The next nights build feeds that know what was watched; what was shown and left may come again after some days.
TTL_S = 3 * 86_400
# Of key and value together, some 185 videos. With what Redis adds for a key with a TTL, and jemalloc by its sizes, a
# viewer takes less than 1 KiB, however long the id is (docs/decisions/0039).
_MOST_BYTES = 760

_REMEMBER = Script(f"""
local stored = redis.call('GET', KEYS[1]) or ''
local total, marks = 0, string.sub(stored, 5)
if #stored >= 4 then total = struct.unpack('>I4', stored) end
for at = 1, #ARGV[1], 4 do
  local mark = string.sub(ARGV[1], at, at + 3)
  local found = string.find(marks, mark, 1, true)
  while found and found % 4 ~= 1 do found = string.find(marks, mark, found + 1, true) end
  if not found then
    marks = marks .. mark
    total = total + 1
  end
end
local most = math.floor(({_MOST_BYTES} - #KEYS[1]) / 4) * 4 - 4
redis.call('SET', KEYS[1], struct.pack('>I4', total) .. string.sub(marks, -most), 'EX', {TTL_S})
""")


def key(viewer_id: str) -> str:
    return f"seen:{in_key(viewer_id)}"


def remembering(shown: Iterable[tuple[str, str]]) -> Iterator[tuple[Script, str, bytes]]:
    """What to run, on which key with which word: then these viewers (first) have been shown these videos (second)."""
    marks: dict[str, bytearray] = {}
    for viewer_id, video_id in shown:
        marks.setdefault(viewer_id, bytearray()).extend(mark(video_id))
    for viewer_id, theirs in marks.items():
        yield _REMEMBER, key(viewer_id), bytes(theirs)
