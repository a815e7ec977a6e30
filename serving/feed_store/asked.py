"""Requests that have an Idempotency-Key, with their answers, for who asks again.

Belongs here: these keys. What is the same request, and what is answered: serving/idempotency.py.

    asked:<hash>   string   32 bytes that stand for the request, and its answer: none while it is worked on
"""

from __future__ import annotations

from typing import cast

from serving.feed_store.wire import Script, Wire

# For so long a client may try again.
TTL_S = 86_400
# Longer than any of these requests takes: who was killed meanwhile keeps nobody out for long.
WORKING_TTL_S = 60
_PRINT_BYTES = 32
# At once: of two requests that come together one is the first.
_BEGIN = Script(f"""
local there = redis.call('GET', KEYS[1])
if not there then redis.call('SET', KEYS[1], ARGV[1], 'EX', {WORKING_TTL_S}) end
return there
""")


def key(name: str) -> str:
    return f"asked:{name}"


async def begin(wire: Wire, name: str, fingerprint: bytes) -> tuple[bool, bytes] | None:
    """None where nobody has asked under this name, and who calls this answers now.

    Else whether it was the same request, and the answer. Raises redis.RedisError.
    """
    there = cast("bytes | None", await wire.run(_BEGIN, (key(name),), fingerprint))
    return None if there is None else (there[:_PRINT_BYTES] == fingerprint, there[_PRINT_BYTES:])


async def keep(wire: Wire, name: str, fingerprint: bytes, answer: bytes) -> None:
    """Keep the answer. Raises redis.RedisError."""
    await wire.ask("SET", key(name), fingerprint + answer, "EX", TTL_S)


async def let_go(wire: Wire, name: str) -> None:
    """It was not done, and may be asked again. Raises redis.RedisError."""
    await wire.ask("DEL", key(name))
