"""Work that goes on after the answer, bounded: what doesn't fit is dropped, and said so."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

LIMIT = 256
log = structlog.get_logger()


class Tasks:
    """A set of background tasks with a limit, ended together when the node stops."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], what: str) -> bool:
        """Run `work` in the background; False (and it is dropped) when too much runs already."""
        if len(self._running) >= self._limit:
            work.close()
            log.warning("background work dropped", what=what, limit=self._limit)
            return False
        task = asyncio.create_task(work, name=what)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (wrong := task.exception()) is not None:
            log.error("background work failed", what=task.get_name(), error=repr(wrong))

    async def stop(self) -> None:
        """Cancel what still runs and wait for its end."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
