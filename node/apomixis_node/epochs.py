"""The ring that this node has adopted, and the barrier that adopting a newer one is.

A write begins under an epoch and looks at it again right before its rename. A node acknowledges an
epoch only when the ring is fsynced and every write begun under an older one is finished or refused,
so nothing that the older owners alone know can appear afterwards.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread

from apomixis_node.errors import ApiError
from apomixis_node.identity import keep_ring
from apomixis_ring.model import Ring


class Rings:
    """Holds the newest ring this node knows; `None` until one was put to it."""

    def __init__(self, data: Path, ring: Ring | None) -> None:
        self._data = data
        self._ring = ring
        self._adopting = asyncio.Lock()
        self._under_way: Counter[int] = Counter()
        self._finished = asyncio.Event()

    @property
    def epoch(self) -> int:
        """The epoch of the adopted ring; 0 before there is one."""
        return self._ring.epoch if self._ring else 0

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
        if epoch != ring.epoch:
            detail = f"The ring is at epoch {ring.epoch}, the call at {epoch}; adopt the ring sent."
            raise ApiError("stale_epoch", detail, {"epoch": ring.epoch, "ring": ring.to_json()})

    @asynccontextmanager
    async def writing(self, epoch: int) -> AsyncIterator[None]:
        """A write under `epoch`: adopting a newer ring waits until it has ended."""
        self.require(epoch)
        self._under_way[epoch] += 1
        try:
            yield
        finally:
            self._under_way[epoch] -= 1
            self._finished.set()

    async def adopt(self, ring: Ring) -> None:
        """Make `ring` this node's, durably; returns when no older write can finish any more.

        Raises ApiError `stale_epoch` for an older epoch, or another ring at the same one.
        """
        async with self._adopting:
            if ring == self._ring:
                return
            if ring.epoch <= self.epoch:
                self.require(ring.epoch)
                detail = f"There is another ring at epoch {ring.epoch}; two writers disagree."
                raise ApiError("stale_epoch", detail, {"epoch": ring.epoch})
            await to_thread.run_sync(keep_ring, self._data, ring)
            self._ring = ring
            await self._drained(ring.epoch)

    async def _drained(self, epoch: int) -> None:
        while any(count for older, count in self._under_way.items() if older < epoch):
            self._finished.clear()
            await self._finished.wait()
