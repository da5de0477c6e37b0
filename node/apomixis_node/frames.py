"""Many files in one body: the frames that a sync is answered with.

┌────────────┬──────────────────────────────────────────┬───────┐
│ 4 bytes, n │ n bytes of JSON: id, extension, length,  │ bytes │  … and the next
│ big-endian │ stamp                                    │       │
└────────────┴──────────────────────────────────────────┴───────┘
"""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

HEAD_BYTES = 4096
_SIZE = struct.Struct(">I")


class BadFrameError(ValueError):
    """The body is no sequence of frames, or it ends in the middle of one."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a frame says of its file; `stamp` in milliseconds, `length` in bytes."""

    id: str
    extension: str
    length: int
    stamp: int

    def dumps(self) -> bytes:
        """As it is sent."""
        text = json.dumps(asdict(self), separators=(",", ":")).encode()
        return _SIZE.pack(len(text)) + text


class Frames:
    """Reads frames from a stream of chunks: `head()`, then `body(head)`, and so on."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""

    async def head(self) -> Head | None:
        """The next file's head; None at the end. Raises BadFrameError."""
        if not self._buffer and not await self._more():
            return None
        (size,) = _SIZE.unpack(await self._take(_SIZE.size))
        if size > HEAD_BYTES:
            raise BadFrameError("a head is too long")
        try:
            return Head(**json.loads(await self._take(size)))
        except (ValueError, TypeError) as wrong:
            raise BadFrameError(f"a head is malformed: {wrong}") from None

    async def body(self, head: Head) -> AsyncIterator[bytes]:
        """The file's bytes; all of them must be read before the next head."""
        left = head.length
        while left:
            if not self._buffer and not await self._more():
                raise BadFrameError("the body ends in the middle of a file")
            chunk, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(chunk)
            yield chunk

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not await self._more():
                raise BadFrameError("the body ends in the middle of a head")
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def _more(self) -> bool:
        async for chunk in self._chunks:
            self._buffer += chunk
            if chunk:
                return True
        return False
