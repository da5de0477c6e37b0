"""Simultaneous equal requests share one run; one that goes away leaves the rest alone."""

from __future__ import annotations

import asyncio

import pytest

from apomixis_node.singleflight import SingleFlight


class Work:
    """Counts its runs; ends when told."""

    def __init__(self) -> None:
        self.runs = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.runs += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.runs


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_callers_one_run() -> None:
    flights, work = SingleFlight(), Work()
    callers = [asyncio.create_task(flights.do("a", work)) for _ in range(64)]
    await settle()
    work.go.set()
    assert await asyncio.gather(*callers) == [1] * 64
    assert await flights.do("a", work) == 2  # nothing is remembered


async def test_other_keys_run_apart() -> None:
    flights, work = SingleFlight(), Work()
    callers = [asyncio.create_task(flights.do(key, work)) for key in "abc"]
    await settle()
    work.go.set()
    await asyncio.gather(*callers)
    assert work.runs == 3


async def test_an_error_reaches_all_and_is_not_remembered() -> None:
    flights = SingleFlight()
    runs = 0

    async def fail() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        raise ValueError("no")

    results = await asyncio.gather(
        *(flights.do("a", fail) for _ in range(3)), return_exceptions=True
    )
    assert [str(r) for r in results] == ["no"] * 3
    assert runs == 1
    with pytest.raises(ValueError, match="no"):
        await flights.do("a", fail)
    assert runs == 2


async def test_a_cancelled_caller_leaves_the_run_to_the_others() -> None:
    flights, work = SingleFlight(), Work()
    first, second = (asyncio.create_task(flights.do("a", work)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    work.go.set()
    assert await second == 1
    assert work.cancelled == 0


async def test_without_callers_the_run_is_cancelled() -> None:
    flights, work = SingleFlight(), Work()
    callers = [asyncio.create_task(flights.do("a", work)) for _ in range(2)]
    await settle()
    for caller in callers:
        caller.cancel()
    await settle()
    assert work.cancelled == 1
