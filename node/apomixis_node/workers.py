"""Render workers: processes that decode and encode, and can't take the node down.

Each has a memory limit, a low priority, and a deadline a job; one that dies or is killed is
replaced. What runs at once is bounded by decoded pixels, what waits by number.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from pebble import ProcessExpired, ProcessPool

from apomixis_node import inside
from apomixis_node.errors import ApiError
from apomixis_node.settings import Settings

T = TypeVar("T")
MAX_TASKS = 1000
LARGE = 4_000_000
"""Pixels of a job after which a worker gives its memory back; base levels have fewer."""
log = structlog.get_logger()


class WorkerFailed(Exception):  # noqa: N818
    """The job took its worker down, or too long: one sentence."""


@dataclass(eq=False)
class _Pool:
    """Worker processes, and the jobs they have been given."""

    processes: ProcessPool
    jobs: set[Future[Any]] = field(default_factory=set)

    def schedule(self, function: Callable[..., Any], args: Any, deadline: float) -> Future[Any]:
        """Give a job. Raises BrokenProcessPool once the pool can't go on."""
        try:
            job: Future[Any] = self.processes.schedule(function, args=args, timeout=deadline)
        except RuntimeError as wrong:
            raise BrokenProcessPool(str(wrong)) from wrong
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)
        return job

    def end(self) -> None:
        """Kill what runs and wait for the end of the processes; jobs without an answer fail."""
        self.processes.stop()  # type: ignore[no-untyped-call]
        self.processes.join()
        for job in list(self.jobs):
            if not job.done():
                job.set_exception(BrokenProcessPool("the workers were ended"))


class Workers:
    """A pool of worker processes, and the queue in front of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(inside.PRELOADED))
        self._pool = self._new_pool()
        self._ending: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._jobs = 0
        self._pixels = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    async def start(self) -> None:
        """Start the workers and wait until each has done a first job."""
        count = self._settings.worker_count
        await asyncio.gather(*(self.run(inside.nothing, pixels=0) for _ in range(count)))

    async def stop(self) -> None:
        """Kill what runs and wait for the end of the processes."""
        self._stopped = True
        await asyncio.gather(asyncio.to_thread(self._pool.end), *self._ending)

    async def run(self, function: Callable[..., T], *args: Any, pixels: int) -> T:
        """Run it in a worker. `pixels` is what it will hold decoded.

        Raises ApiError `busy` when the queue is full, WorkerFailed, or what the function raised.
        """
        settings = self._settings
        if self._jobs >= settings.worker_count + settings.render_queue:
            raise ApiError("busy", "Too many pictures wait to be rendered; try again in a moment.")
        # A picture larger than the whole budget runs alone.
        share = min(pixels, settings.render_pixels)
        self._jobs += 1
        try:
            await self._take(share)
            try:
                if pixels > LARGE:
                    return await self._run(inside.tidily, function, *args)
                return await self._run(function, *args)
            finally:
                self._pixels -= share
                self._freed.set()
        finally:
            self._jobs -= 1

    async def _take(self, share: int) -> None:
        """Wait for room, in turn: a large picture is not overtaken for ever by small ones."""
        if not share:
            return
        async with self._turn:
            while self._pixels + share > self._settings.render_pixels:
                self._freed.clear()
                await self._freed.wait()
            self._pixels += share

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        for last in (False, True):
            pool = self._pool
            try:
                return await self._run_in(pool, function, *args)
            except BrokenProcessPool:
                if last or self._stopped:
                    break
                self._replace(pool)
        raise WorkerFailed("The workers ended before it was done.")

    async def _run_in(self, pool: _Pool, function: Callable[..., T], *args: Any) -> T:
        deadline = self._settings.render_deadline
        try:
            job = pool.schedule(function, args, deadline)
            result: T = await asyncio.wrap_future(job)
        except TimeoutError:
            raise WorkerFailed(f"It took longer than {deadline:g} s.") from None
        except ProcessExpired:
            raise WorkerFailed("It took its worker process down.") from None
        except MemoryError:
            raise WorkerFailed("It needs more memory than a worker has.") from None
        return result

    def _new_pool(self) -> _Pool:
        processes = ProcessPool(
            max_workers=self._settings.worker_count,
            max_tasks=MAX_TASKS,
            initializer=inside.begin,
            initargs=(int(self._settings.render_memory),),
            context=self._context,
        )
        return _Pool(processes)

    def _replace(self, broken: _Pool) -> None:
        """A pool gives up when a worker dies without a job, as by the kernel's OOM killer."""
        if broken is not self._pool:
            return
        log.warning("the workers ended by themselves; new ones are started")
        self._pool = self._new_pool()
        ending = asyncio.create_task(asyncio.to_thread(broken.end))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
