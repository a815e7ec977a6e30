"""Fetches what many want at the same moment once for all of them.

Belongs here: who waits for whom. What is fetched and kept: strangers.py and trending.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Who asks for what is being fetched waits for the same answer, or the same error."""

    def __init__(self) -> None:
        self._fetching: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str, fetch: Callable[[], Coroutine[Any, Any, T]]) -> T:
        fetching = self._fetching.get(key)
        if fetching is None:
            fetching = self._fetching[key] = asyncio.create_task(fetch())
            fetching.add_done_callback(lambda _: self._fetching.pop(key))
        # Shielded: whoever came first may leave before it is here.
        return await asyncio.shield(fetching)
