"""The ring that this node has adopted, and the barrier that adopting a newer one is.

A write begins under an epoch and looks at it again right before its rename. A node acknowledges an
epoch only when the ring is fsynced and every write and drop begun under an older one is finished
or refused, so nothing that the older owners alone know can appear afterwards.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread

from apomixis_node.errors import ApiError
from apomixis_node.identity import keep_ring
from apomixis_ring.epochs import Hearing, adopted, hear, may_finish
from apomixis_ring.model import Ring


class Rings:
    """Holds the newest ring this node knows; `None` until one was put to it."""

    def __init__(self, data: Path, ring: Ring | None) -> None:
        self._data = data
        self._ring = ring
        self._adopting = asyncio.Lock()
        self._under_way: Counter[int] = Counter()
        self._finished = asyncio.Condition()
        self.on_adopt: Callable[[Ring | None, Ring], None] = _nothing

    @property
    def epoch(self) -> int:
        """The epoch of the adopted ring; 0 before there is one."""
        return self._ring.epoch if self._ring else 0

    @property
    def acknowledged(self) -> int:
        """The epoch up to which the barrier was passed."""
        return self.epoch if adopted(self.epoch, self._under_way) else self.epoch - 1

    @property
    def known(self) -> Ring | None:
        """The adopted ring, or None."""
        return self._ring

    @property
    def ring(self) -> Ring:
        """The adopted ring; raises ApiError `not_ready` (503) before there is one."""
        if self._ring is None:
            raise ApiError("not_ready", "This node has no ring yet; ask another, or try again.")
        return self._ring

    def require(self, epoch: int) -> None:
        """Raise ApiError `stale_epoch` (409, with the ring) unless `epoch` is the adopted one."""
        ring = self.ring
        if hear(ring.epoch, epoch) is not Hearing.SAME or not may_finish(epoch, ring.epoch):
            detail = f"The ring is at epoch {ring.epoch}, the call at {epoch}; adopt the ring sent."
            raise ApiError("stale_epoch", detail, {"epoch": ring.epoch, "ring": ring.to_json()})

    @asynccontextmanager
    async def writing(self, epoch: int) -> AsyncIterator[None]:
        """A write or drop under `epoch`: adopting a newer ring waits until it has ended."""
        self.require(epoch)
        self._under_way[epoch] += 1
        try:
            yield
        finally:
            self._under_way[epoch] -= 1
            async with self._finished:
                self._finished.notify_all()

    async def adopt(self, ring: Ring) -> None:
        """Make `ring` this node's, durably; returns when no older write can finish any more.

        Raises ApiError `stale_epoch` for an older epoch, or another ring at the same one.
        """
        async with self._adopting:
            if ring != self._ring:
                self._refuse(ring)
                await to_thread.run_sync(keep_ring, self._data, ring)
                before, self._ring = self._ring, ring
                self.on_adopt(before, ring)
        await self.barrier(ring.epoch)

    async def barrier(self, epoch: int) -> None:
        """Wait until nothing begun under an older epoch can happen any more."""
        async with self._finished:
            await self._finished.wait_for(lambda: adopted(epoch, self._under_way))

    def _refuse(self, ring: Ring) -> None:
        if ring.epoch > self.epoch:
            return
        self.require(ring.epoch)
        detail = f"There is another ring at epoch {ring.epoch}; two writers disagree."
        raise ApiError("stale_epoch", detail, {"epoch": ring.epoch})


def _nothing(before: Ring | None, ring: Ring) -> None:
    del before, ring
