"""Room for originals: the reserve stays free, and renditions go before an original is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from apomixis_node.disk import free_bytes, reserve_of


class Room:
    """The free space of one volume. All methods block; many threads may call them."""

    def __init__(self, data: Path, reserve: int | None) -> None:
        self.make: Callable[[int], object] = _nothing  # throws bytes away that can be
        self._data = data
        self._reserve = reserve_of(data, reserve)
        self._making = threading.Lock()
        self._refused_at = 0

    def fits(self, length: int) -> bool:
        """Whether so many bytes more leave the reserve free. Raises DiskFailed."""
        wanted = self._reserve + length
        if self._free() >= wanted:
            return True
        with self._making:
            if (free := self._free()) < wanted:
                self.make(wanted - free)
            free = self._free()
            self._refused_at = 0 if free >= wanted else free
            return free >= wanted

    def usage(self) -> dict[str, int | bool]:
        """Bytes of the volume, and whether originals are, or just were, refused."""
        total, free = free_bytes(self._data)
        full = free <= max(self._reserve, self._refused_at)
        return {"total": total, "free": free, "reserve": self._reserve, "full": full}

    def _free(self) -> int:
        return free_bytes(self._data)[1]


def _nothing(length: int) -> None:
    del length
