"""Simultaneous equal requests share one run of the work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class _Flight:
    task: asyncio.Task[Any]
    waiting: int = 0


class SingleFlight:
    """Runs by key. Nothing is remembered once a run has ended."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}

    def __len__(self) -> int:
        """How many runs are under way."""
        return len(self._flights)

    async def do(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The result (or exception) of the one run for `key`.

        A caller that is cancelled leaves the run to the others; without callers it is cancelled.
        """
        flight = self._flights.get(key) or self._begin(key, make)
        flight.waiting += 1
        try:
            result: T = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._forget(key, flight)  # whoever comes now begins anew
                flight.task.cancel()
        return result

    def _begin(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> _Flight:
        flight = self._flights[key] = _Flight(asyncio.ensure_future(_run(make)))
        flight.task.add_done_callback(lambda task: self._ended(key, flight, task))
        return flight

    def _ended(self, key: Hashable, flight: _Flight, task: asyncio.Task[Any]) -> None:
        self._forget(key, flight)
        if not task.cancelled():
            task.exception()  # seen, even where nobody waits for it any more

    def _forget(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _run(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
