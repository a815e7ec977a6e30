"""One page of a viewer's own feed, found within Redis: the pointer, the list and what to leave out in one look.

Belongs here: the script and what it answers. Who asks, and what a stranger gets: reader.py.

Slots are left out where they lie: else a page of someone who has seen half of their feed would take all of it over the
wire, or a second round trip. What it costs Redis is in docs/decisions/0039.
"""

from __future__ import annotations

from typing import NamedTuple

from serving.feed_store import refused, seen
from serving.feed_store.layout import POINTER, Pointer, fallback_key, feed_key, json_of
from serving.feed_store.wire import Away, Script, Wire

# As of which mark a page leaves out what was shown: what had been shown by now.
NOW = -1

_PAGE = Script("""
local find, sub = string.find, string.sub

local function mark_of(id) return struct.pack('>I4', tonumber(sub(redis.sha1hex(id), 1, 8), 16)) end

-- Where a mark is, among marks; what is found across two of them is none.
local function aligned(marks, mark, at)
  while at and at % 4 ~= 1 do at = find(marks, mark, at + 1, true) end
  return at
end

local start, limit, as_of, expected, own = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local pointer = ''
if expected ~= '' then
  pointer = redis.call('GET', KEYS[1]) or ''
  if pointer ~= expected then return {KEYS[4], pointer} end
end

local stored = redis.call('GET', KEYS[2]) or ''
local total, shown = 0, sub(stored, 5)
if #stored >= 4 then total = struct.unpack('>I4', stored) end
if as_of >= 0 then
  local later = total - as_of
  shown = later < 0 and '' or sub(shown, 1, math.max(0, #shown - 4 * later))
end
local refused = redis.call('SMEMBERS', KEYS[3])
for i, id in ipairs(refused) do refused[i] = mark_of(id) end
refused = table.concat(refused)

local function page(hidden)
  local found, following, place, more = {}, -1, start, true
  while more do
    local slots = redis.call('LRANGE', KEYS[4], place, place + limit)
    more = #slots > limit
    -- Slots that were written before there were marks begin with their JSON, of which the id is the first member.
    local is_marked = #slots > 0 and string.byte(slots[1], 5) == 123
    for i = 1, #slots do
      local slot = slots[i]
      local mark = is_marked and sub(slot, 1, 4) or mark_of(string.match(slot, '^{"video_id":"([^"]*)"') or '')
      local at = find(hidden, mark, 1, true)
      if not at or (at % 4 ~= 1 and not aligned(hidden, mark, at)) then
        if #found == limit then
          following, more = place + i - 1, false
          break
        end
        found[#found + 1] = slot
      end
    end
    place = place + #slots
  end
  return place > start, found, following
end

local there, slots, following = false, {}, -1
if own == '1' then
  there, slots, following = page(shown .. refused)
  if there and (#slots > 0 or expected == '') then return {KEYS[4], pointer, 1, total, slots, following, 0, '', ''} end
  if there then there, slots, following = page(refused) end
end
return {KEYS[4], pointer, 0, total, slots, following, redis.call('LLEN', KEYS[5]), shown, refused}
""")


class OwnPage(NamedTuple):
    """What a viewer's own feed has for a page, and what is needed for one of another list where it has nothing new.

    `slots` are encoded, and joined by commas; `following` is where the next page begins, -1 at the end. Unless
    `is_new` they had all been shown, and are here once more, or there are none. `total` counts the marks of what was
    ever shown; `shown` and `refused` are the marks to leave out of the list for strangers, which has `strangers` slots.
    """

    is_new: bool
    total: int
    slots: bytes
    following: int
    strangers: int
    shown: bytes
    refused: bytes


async def ask(
    wire: Wire, viewer_id: str, pointer: Pointer, start: int, limit: int, *, as_of: int, is_pinned: bool, is_own: bool
) -> OwnPage | bytes:
    """One page from `start` on, without what had been shown at `as_of`; what the pointer says instead if it has moved.

    A pinned one does not go by the pointer. Raises redis.RedisError, also where the answer is not one to this question:
    it could be somebody else's page.
    """
    own_key = feed_key(pointer.generation, viewer_id)
    keys = (POINTER, seen.key(viewer_id), refused.key(viewer_id), own_key, fallback_key(pointer.generation))
    reply = await wire.run(_PAGE, keys, start, limit, as_of, "" if is_pinned else pointer.text(), int(is_own))
    match reply:
        case [key, _, 0 | 1, int(), [*slots], int(), int(), bytes(), bytes()] if key == own_key.encode():
            _, _, is_new, total, _, following, strangers, shown, hidden = reply
            items = b",".join(map(json_of, slots))
            return OwnPage(is_new == 1, total, items, following, strangers, shown, hidden)
        case [key, bytes(current)] if key == own_key.encode():
            return current
    wire.distrust("a page was answered by something else")
    raise Away("Redis answered something else than a page")
