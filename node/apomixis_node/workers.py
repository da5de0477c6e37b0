"""Render workers: processes that decode and encode, and can't take the node down.

Each has a memory limit, a low priority, and a deadline a job; one that dies or is killed is
replaced. What runs at once is bounded by decoded pixels, what waits by number.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from apomixis_node.errors import ApiError
from apomixis_node.settings import Settings

T = TypeVar("T")
NICE = 10
MAX_TASKS = 1000
PR_SET_PDEATHSIG = 1


class WorkerFailed(Exception):  # noqa: N818
    """The job took its worker down, or too long: one sentence."""


class Workers:
    """A pool of worker processes, and the queue in front of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["apomixis_node.renditions"])
        self._pool = ProcessPool(
            max_workers=settings.worker_count,
            max_tasks=MAX_TASKS,
            initializer=_prepare,
            initargs=(int(settings.render_memory), os.getpid()),
            context=context,
        )
        self.waiting = 0
        self._pixels = 0
        self._room = asyncio.Condition()

    async def start(self) -> None:
        """Start the workers and wait until each has done a first job."""
        count = self._settings.worker_count
        await asyncio.gather(*(self.run(_nothing, pixels=0) for _ in range(count)))

    async def stop(self) -> None:
        """Kill what runs and wait for the end of the processes."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        await asyncio.to_thread(self._pool.join)

    async def run(self, function: Callable[..., T], *args: Any, pixels: int) -> T:
        """Run it in a worker. `pixels` is what it will hold decoded.

        Raises ApiError `busy` when the queue is full, WorkerFailed, or what the function raised.
        """
        if self.waiting >= self._settings.render_queue:
            raise ApiError("busy", "Too many pictures wait to be rendered; try again in a moment.")
        self.waiting += 1
        try:
            # A picture larger than the whole budget runs alone.
            share = min(pixels, self._settings.render_pixels)
            async with self._room:
                await self._room.wait_for(
                    lambda: self._pixels + share <= self._settings.render_pixels
                )
                self._pixels += share
        finally:
            self.waiting -= 1
        try:
            return await self._run(function, *args)
        finally:
            self._pixels -= share
            async with self._room:
                self._room.notify_all()

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        deadline = self._settings.render_deadline
        future = self._pool.schedule(function, args=args, timeout=deadline)
        try:
            result: T = await asyncio.wrap_future(future)
        except TimeoutError:
            raise WorkerFailed(f"It took longer than {deadline:g} s.") from None
        except ProcessExpired:
            raise WorkerFailed("It took its worker process down.") from None
        except MemoryError:
            raise WorkerFailed("It needs more memory than a worker has.") from None
        return result


def _nothing() -> None:
    return None


def _prepare(memory: int, parent: int) -> None:
    """In the worker: low priority, little memory, and no life without the node."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    del parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
