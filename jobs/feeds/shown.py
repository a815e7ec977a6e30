"""One viewer's feed as the endpoint shows it now.

Belongs here: looking at what is in Redis, for people. Publishing it: publish.py. How a page is found:
serving/feed_store/.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import orjson

from jobs.errors import ReelmillError
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.feed_store.layout import FeedExpired, NoFeedPublished

# Nobody waits in front of a screen for the next page.
PATIENCE_S = 30.0
# As many as the endpoint gives out at once.
_PAGE = 100


class NothingServed(ReelmillError):
    """This home's Redis holds no feeds, or those that were looked at are gone."""


class Shown(NamedTuple):
    """A feed: its slots as a client gets them, and whether it is the one for strangers."""

    version: str
    is_fallback: bool
    slots: list[dict[str, Any]]


def shown(viewer_id: str, settings: Settings) -> Shown:
    """All pages of a viewer's feed from its top, without what they were shown or refused. Raises NothingServed."""

    async def read(url: str) -> Shown:
        from serving.feed_store.reader import FeedReader

        async with FeedReader(url, PATIENCE_S) as reader:
            page = await reader.first_page(viewer_id, _PAGE)
            slots = [page.slots]
            while page.following is not None:
                page = await reader.next_page(page.following, viewer_id, _PAGE)
                slots.append(page.slots)
            return Shown(page.version, page.is_fallback, orjson.loads(b"[%b]" % b",".join(filter(None, slots))))

    with redis_url(settings) as url:
        try:
            return asyncio.run(read(url))
        except NoFeedPublished as error:
            raise NothingServed(
                "No feeds are published: `reelmill pipeline nightly` makes and publishes them."
            ) from error
        except FeedExpired as error:
            raise NothingServed(f"{error}: it ended while it was being read; look again.") from error
