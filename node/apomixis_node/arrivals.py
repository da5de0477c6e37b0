"""The files of one batch as they arrive: taken apart, hashed and written, then kept together.

All methods block, and are called in a thread; one batch is in one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apomixis_node.copies import Collision, Copy, NewerStamp
from apomixis_node.frames import BadFrameError, Frames, Head
from apomixis_node.incoming import Incoming
from apomixis_node.store import Store


class Arrivals:
    """Close it when done: what was kept stays kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._frames = Frames()
        self._head: Head | None = None
        self._copies: list[Copy] = []

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return sum(copy.incoming.length for copy in self._copies)

    def feed(self, chunks: Iterable[bytes]) -> None:
        """Take what has come. Raises BadFrameError, DiskFull, DiskFailed."""
        for chunk in chunks:
            for found in self._frames.feed(chunk):
                self._take(found)

    def end(self) -> int:
        """All has come; how many files that is. Raises BadFrameError."""
        self._frames.end()
        return len(self._copies)

    def keep(self, still_allowed: Callable[[], None]) -> list[NewerStamp | Collision | None]:
        """Keep all of them; for each, why not. `still_allowed` is asked before each rename."""
        return self._store.keep_copies(self._copies, still_allowed=still_allowed)

    def _take(self, found: Head | memoryview) -> None:
        if isinstance(found, Head):
            self._head = found
            incoming = self._store.new_file()
            self._copies.append(Copy(incoming, found.extension, found.stamp))
        else:
            incoming = self._copies[-1].incoming
            incoming.write(found)
        if self._head is not None and incoming.length == self._head.length:
            self._whole(self._head, incoming)

    def _whole(self, head: Head, incoming: Incoming) -> None:
        incoming.finish()
        if incoming.digest != head.id:
            raise BadFrameError(f"{head.id} arrived with other bytes")

    def close(self) -> None:
        """Give up what was not kept."""
        for copy in self._copies:
            copy.incoming.close()
