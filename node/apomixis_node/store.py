"""Originals and tombstones on disk. The disk is the truth: no index, nothing is walked at start.

    originals/3f9/3f9c…e1.jpg     the uploaded bytes; mtime = stamp in milliseconds
    originals/3f9/3f9c…e1.gone    a tombstone; mtime = its stamp

The newest stamp wins, the tombstone at a draw.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from apomixis_node.disk import (
    TMP,
    DiskFull,
    disk_errors,
    free_bytes,
    fsync_folder,
    make_folder,
    reserve_of,
    temporary,
)
from apomixis_node.formats import BY_EXTENSION

CHUNK = 1024 * 1024
STRIPES = 256
MS = 1_000_000  # nanoseconds


class Collision(Exception):  # noqa: N818
    """Other bytes with this SHA-1 are here already."""


class HashMismatch(Exception):  # noqa: N818
    """The bytes are not those of the id."""


class NewerStamp(Exception):  # noqa: N818
    """A stamp that wins (a draw counts) is known here."""

    def __init__(self, stamp: int) -> None:
        super().__init__(f"stamp {stamp}")
        self.stamp = stamp


@dataclass(frozen=True, slots=True)
class Original:
    """An original on this disk; `stamp` in milliseconds."""

    id: str
    extension: str
    length: int
    stamp: int
    path: Path


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The mark that an id was deleted."""

    id: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Kept:
    """`created`: it was not here before."""

    original: Original
    created: bool


class Incoming:
    """A file being received: written under tmp/ and hashed on the way. Close it when done."""

    def __init__(self, data: Path, room: int) -> None:
        with disk_errors():
            self._file, self.path = temporary(data)
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._room = room
        self.length = 0
        self.digest = ""

    def write(self, chunk: bytes) -> None:
        """Append. Raises DiskFull, also where the reserve would be touched."""
        if self.length + len(chunk) > self._room:
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


class Store:
    """The originals of one volume. All methods block; many threads may call them."""

    def __init__(self, data: Path, reserve: int | None = None) -> None:
        self._data = data
        self._locks = [threading.Lock() for _ in range(STRIPES)]
        with disk_errors():
            for name in (TMP, "originals", "cache", "quarantine"):
                make_folder(data / name)
            for left in (data / TMP).iterdir():
                left.unlink()
        self._reserve = reserve_of(data, reserve)

    def find(self, image_id: str) -> Original | Tombstone | None:
        """What is here of an id. Raises DiskFailed: that is never a "no"."""
        folder = self._folder(image_id)
        original = None
        for extension in BY_EXTENSION:
            path = folder / f"{image_id}.{extension}"
            if (stat := _stat(path)) is not None:
                stamp = stat.st_mtime_ns // MS
                original = Original(image_id, extension, stat.st_size, stamp, path)
                break
        gone = _stat(folder / f"{image_id}.gone")
        if gone is not None:
            stamp = gone.st_mtime_ns // MS
            if original is None or stamp >= original.stamp:
                return Tombstone(image_id, stamp)
        return original

    def new_file(self) -> Incoming:
        """Begin to receive. Raises DiskFull when the reserve is reached."""
        room = free_bytes(self._data)[1] - self._reserve
        if room <= 0:
            raise DiskFull("the reserve is reached")
        return Incoming(self._data, room)

    def keep(
        self,
        incoming: Incoming,
        image_id: str,
        extension: str,
        stamp: int,
        *,
        still_allowed: Callable[[], None],
    ) -> Kept:
        """Keep what was received under its id, fsynced. `still_allowed` is asked before the rename.

        Raises HashMismatch, Collision, NewerStamp, DiskFull, DiskFailed.
        """
        if incoming.digest != image_id:
            raise HashMismatch
        with self._locks[int(image_id[-2:], 16) % STRIPES], disk_errors():
            known = self.find(image_id)
            if isinstance(known, Original) and not _same(known.path, incoming):
                raise Collision
            if known is not None and known.stamp >= stamp:
                raise NewerStamp(known.stamp)
            still_allowed()
            if isinstance(known, Original):
                self._raise_stamp(known.path, stamp)
            else:
                self._place(incoming, image_id, extension, stamp)
                self._forget_tombstone(image_id)
            path = known.path if isinstance(known, Original) else self._path(image_id, extension)
            original = Original(image_id, path.suffix[1:], incoming.length, stamp, path)
            return Kept(original, created=not isinstance(known, Original))

    def usage(self) -> dict[str, int | bool]:
        """Bytes of the volume, and whether originals are refused."""
        total, free = free_bytes(self._data)
        return {
            "total": total,
            "free": free,
            "reserve": self._reserve,
            "full": free <= self._reserve,
        }

    def _folder(self, image_id: str) -> Path:
        return self._data / "originals" / image_id[:3]

    def _path(self, image_id: str, extension: str) -> Path:
        return self._folder(image_id) / f"{image_id}.{extension}"

    def _place(self, incoming: Incoming, image_id: str, extension: str, stamp: int) -> None:
        path = self._path(image_id, extension)
        make_folder(path.parent)
        os.utime(incoming.descriptor(), ns=(stamp * MS, stamp * MS))
        os.fsync(incoming.descriptor())
        incoming.path.rename(path)
        fsync_folder(path.parent)

    @staticmethod
    def _raise_stamp(path: Path, stamp: int) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.utime(descriptor, ns=(stamp * MS, stamp * MS))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _forget_tombstone(self, image_id: str) -> None:
        with suppress(FileNotFoundError):
            (self._folder(image_id) / f"{image_id}.gone").unlink()
            fsync_folder(self._folder(image_id))


def _stat(path: Path) -> os.stat_result | None:
    with disk_errors():
        try:
            return path.stat()
        except FileNotFoundError:
            return None


def _same(path: Path, incoming: Incoming) -> bool:
    """Whether the bytes are equal, compared and not hashed: a SHA-1 can be made to collide."""
    if path.stat().st_size != incoming.length:
        return False
    with path.open("rb") as file:
        position = 0
        while chunk := file.read(CHUNK):
            if os.pread(incoming.descriptor(), len(chunk), position) != chunk:
                return False
            position += len(chunk)
    return True
