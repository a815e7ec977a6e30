"""Many who want the same thing at the same moment cause one fetch, and share what becomes of it."""

import asyncio

from serving.feed_store.once import Once


def test_who_asks_while_it_is_fetched_waits_for_the_same_answer() -> None:
    fetched = []

    async def fetch() -> str:
        fetched.append("once")
        await asyncio.sleep(0.01)
        return "list"

    async def ask() -> list[str]:
        once = Once[str]()
        answers = await asyncio.gather(*(once.get("a", fetch) for _ in range(5)))
        return [*answers, await once.get("a", fetch)]

    assert asyncio.run(ask()) == ["list"] * 6
    assert len(fetched) == 2


def test_who_leaves_takes_it_from_nobody_and_an_error_is_everybodys() -> None:
    async def fetch() -> str:
        await asyncio.sleep(0.01)
        raise ConnectionError("away")

    async def ask() -> list[BaseException | str]:
        once = Once[str]()
        first, *others = [asyncio.ensure_future(once.get("a", fetch)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(*others, return_exceptions=True)

    assert [type(error) for error in asyncio.run(ask())] == [ConnectionError] * 2
