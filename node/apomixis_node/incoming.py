"""A file being received: written under tmp/ and hashed on the way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from apomixis_node.disk import DiskFull, disk_errors, temporary

CHUNK = 1024 * 1024


class Incoming:
    """Close it when done: what was kept stays kept."""

    def __init__(self, data: Path, fits: Callable[[int], bool]) -> None:
        """`fits` is asked for each piece: others are written at the same time."""
        with disk_errors():
            self._file, self.path = temporary(data)
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._fits = fits
        self.length = 0
        self.digest = ""

    def write(self, chunk: bytes | memoryview) -> None:
        """Append. Raises DiskFull, also where the reserve would be touched."""
        if not self._fits(len(chunk)):
            raise DiskFull("the reserve is reached")
        self._hash.update(chunk)
        with disk_errors():
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        self.length += len(chunk)

    def finish(self) -> None:
        """All is written: `digest` is its id now."""
        self.digest = self._hash.hexdigest()

    def reopen(self) -> int:
        """A new descriptor of the same bytes, wherever the file has gone since."""
        return os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY)

    def descriptor(self) -> int:
        """The open file."""
        return self._file

    def close(self) -> None:
        """Give the file up; what was kept stays kept."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        wrong: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def equals(self, path: Path) -> bool:
        """Whether the bytes are equal, compared and not hashed: a SHA-1 can be made to collide."""
        if path.stat().st_size != self.length:
            return False
        with path.open("rb") as file:
            position = 0
            while chunk := file.read(CHUNK):
                if os.pread(self._file, len(chunk), position) != chunk:
                    return False
                position += len(chunk)
        return True
