"""Many files in one body: the frames that a sync is answered with.

┌────────────┬──────────────────────────────────────────┬───────┐
│ 4 bytes, n │ n bytes of JSON: id, extension, length,  │ bytes │  … and the next
│ big-endian │ stamp                                    │       │
└────────────┴──────────────────────────────────────────┴───────┘
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
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
    """Takes a body in pieces of any size apart into heads and the bytes of their files."""

    def __init__(self) -> None:
        self._begun = bytearray()  # of a head
        self._left = 0  # bytes of the file that is coming

    def feed(self, chunk: bytes) -> Iterator[Head | memoryview]:
        """What has come: a head, then its bytes in pieces, then the next. Raises BadFrameError."""
        rest = memoryview(chunk)
        while rest:
            if self._left:
                piece, rest = rest[: self._left], rest[self._left :]
                self._left -= len(piece)
                yield piece
                continue
            lacking = self._lacking()
            self._begun += rest[:lacking]
            rest = rest[lacking:]
            if not self._lacking():
                yield self._head()

    def end(self) -> None:
        """The body has ended. Raises BadFrameError if that is in the middle of a frame."""
        if self._begun or self._left:
            raise BadFrameError("the body ends in the middle of a frame")

    def _lacking(self) -> int:
        """Bytes until the head that is coming is whole, as far as is known yet."""
        if len(self._begun) < _SIZE.size:
            return _SIZE.size - len(self._begun)
        (size,) = _SIZE.unpack_from(self._begun)
        if not 0 < size <= HEAD_BYTES:
            raise BadFrameError("a head is empty or too long")
        return int(size) + _SIZE.size - len(self._begun)

    def _head(self) -> Head:
        try:
            found = Head(**json.loads(bytes(self._begun[_SIZE.size :])))
            length = max(0, int(found.length))
        except (ValueError, TypeError) as wrong:
            raise BadFrameError(f"a head is malformed: {wrong}") from None
        self._begun.clear()
        self._left = length
        return found
