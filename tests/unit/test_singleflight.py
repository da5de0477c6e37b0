"""Equal requests share one run: its result, its exception, and nothing of its end."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import pytest

from apomixis_node.singleflight import SingleFlight


class Work:
    """Counts its runs; each waits for `go` and gives what it is told."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0
        self.cancelled = 0
        self.wrong: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        run = self.begun
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.wrong:
            raise self.wrong
        return run


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def callers(
    flights: SingleFlight, work: Work, count: int, key: str = "key"
) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(flights.do(key, work)) for _ in range(count)]


async def test_simultaneous_callers_cost_one_call() -> None:
    flights, work = SingleFlight(), Work()
    tasks = callers(flights, work, 100)
    await turns()
    assert len(flights) == 1
    work.go.set()
    assert await asyncio.gather(*tasks) == [1] * 100
    assert work.begun == 1
    assert len(flights) == 0


async def test_other_keys_are_other_runs() -> None:
    flights, work = SingleFlight(), Work()
    tasks = [task for key in "abc" for task in callers(flights, work, 3, key)]
    work.go.set()
    assert sorted(await asyncio.gather(*tasks)) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


async def test_nothing_is_remembered() -> None:
    flights, work = SingleFlight(), Work()
    work.go.set()
    assert [await flights.do("key", work) for _ in range(3)] == [1, 2, 3]
    assert len(flights) == 0


async def test_an_exception_reaches_every_caller_and_is_not_kept() -> None:
    flights, work = SingleFlight(), Work()
    work.wrong = ValueError("broken")
    tasks = callers(flights, work, 10)
    await turns()
    work.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results == [work.wrong] * 10
    assert len(flights) == 0
    work.wrong = None
    assert await flights.do("key", work) == 2


@pytest.mark.parametrize("gone", [0, 1, 9])
async def test_a_cancelled_caller_leaves_the_run_to_the_others(gone: int) -> None:
    flights, work = SingleFlight(), Work()
    tasks = callers(flights, work, 10)
    await turns()
    tasks.pop(gone).cancel()
    await turns()
    work.go.set()
    assert await asyncio.gather(*tasks) == [1] * 9
    assert (work.begun, work.cancelled) == (1, 0)


async def test_without_callers_the_run_is_cancelled() -> None:
    flights, work = SingleFlight(), Work()
    tasks = callers(flights, work, 3)
    await turns()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await turns()
    assert (work.begun, work.cancelled) == (1, 1)
    assert len(flights) == 0


async def test_who_comes_while_a_run_is_cancelled_begins_a_new_one() -> None:
    flights, work = SingleFlight(), Work()
    (last,) = callers(flights, work, 1)
    await turns()
    last.cancel()
    with suppress(asyncio.CancelledError):
        await last
    work.go.set()
    assert await flights.do("key", work) == 2
    assert len(flights) == 0


async def test_an_exception_that_nobody_waits_for_is_not_complained_about() -> None:
    complaints: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    flights, work = SingleFlight(), Work()
    work.wrong = ValueError("broken")
    (task,) = callers(flights, work, 1)
    await turns()
    work.go.set()
    loop.call_soon(task.cancel)
    await asyncio.gather(task, return_exceptions=True)
    await turns()
    gc.collect()
    assert complaints == []
    assert len(flights) == 0
