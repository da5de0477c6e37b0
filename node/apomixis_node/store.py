"""Originals and tombstones on disk. The disk is the truth: no index, nothing is walked at start.

    originals/3f9/3f9c…e1.jpg     the uploaded bytes; mtime = stamp in milliseconds
    originals/3f9/3f9c…e1.gone    a tombstone; mtime = its stamp
    quarantine/3f9c…e1.jpg        bytes that failed verification; mtime = the stamp they had

The newest stamp wins, the tombstone at a draw. A quarantined copy has lost its bytes, not its
promise: its stamp still counts, and the node says neither yes nor no until it is repaired.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from apomixis_node.copies import Collision, HashMismatch, Kept, NewerStamp, Original, Tombstone
from apomixis_node.disk import (
    TMP,
    DiskFull,
    disk_errors,
    empty_folder,
    fsync_folder,
    make_folder,
)
from apomixis_node.formats import BY_EXTENSION
from apomixis_node.incoming import Incoming
from apomixis_node.room import Room
from apomixis_ring.marks import Mark, newer, wins

STRIPES = 256
MS = 1_000_000  # nanoseconds
GONE = "gone"
FOLDERS = (TMP, "originals", "cache", "quarantine")


class Store:
    """The originals of one volume. All methods block; many threads may call them."""

    def __init__(self, data: Path, reserve: int | None = None) -> None:
        self.data = data
        self.versions: Counter[str] = Counter()  # another number whenever a partition changes
        self._numbers = itertools.count(1)
        self._locks = [threading.Lock() for _ in range(STRIPES)]
        self._durable: set[str] = set()
        with disk_errors():
            for name in FOLDERS:
                make_folder(data / name)
            empty_folder(data / TMP)
        self.room = Room(data, reserve)
        self.on_loss: Callable[[str], None] = _nothing  # told of ids whose bytes are gone or bad

    # ---- looking

    def find(self, image_id: str) -> Original | Tombstone | None:
        """What is here of an id. Raises DiskFailed: that is never a "no"."""
        folder = self.folder(image_id[:3])
        original = None
        for extension in BY_EXTENSION:
            path = folder / f"{image_id}.{extension}"
            if (stat := _stat(path)) is not None:
                stamp = stat.st_mtime_ns // MS
                original = Original(image_id, extension, stat.st_size, stamp, path)
                break
        gone = _stat(folder / f"{image_id}.{GONE}")
        if gone is not None:
            stamp = gone.st_mtime_ns // MS
            if original is None or stamp >= original.stamp:
                return Tombstone(image_id, stamp)
        return original

    def quarantined(self, image_id: str) -> Mark | None:
        """The mark of a copy whose bytes are bad and were not replaced yet."""
        for extension in BY_EXTENSION:
            stat = _stat(self.data / "quarantine" / f"{image_id}.{extension}")
            if stat is not None:
                return Mark(stat.st_mtime_ns // MS)
        return None

    def mark(self, image_id: str) -> Mark | None:
        """What is here of an id for good: waits for a write of it that is under way."""
        with self._locked(image_id):
            found, lost = self.find(image_id), self.quarantined(image_id)
            return found.mark if found and (lost is None or found.mark >= lost) else None

    # ---- writing

    def new_file(self) -> Incoming:
        """Begin to receive. Raises DiskFull when the reserve is reached."""
        if not self.room.fits(1):
            raise DiskFull("the reserve is reached")
        return Incoming(self.data, self.room.fits)

    def keep(
        self,
        incoming: Incoming,
        image_id: str,
        extension: str,
        stamp: int,
        *,
        still_allowed: Callable[[], None],
        copy: bool = False,
    ) -> Kept:
        """Keep what was received under its id, fsynced; `still_allowed` is asked last of all.

        `copy`: it comes from another holder, with the stamp that it has there, and may mend what
        is in quarantine. Raises HashMismatch, Collision, NewerStamp, DiskFull, DiskFailed.
        """
        if incoming.digest != image_id:
            raise HashMismatch
        with self._changing(image_id):
            known = self.find(image_id)
            if isinstance(known, Original) and not incoming.equals(known.path):
                self._refuse_collision(known)
                known = None
            lost = self.quarantined(image_id)
            mark = max(Mark(stamp), lost) if copy and lost else Mark(stamp)
            _refuse_older(mark, known.mark if known else None, lost, copy=copy)
            created = not isinstance(known, Original)
            path = known.path if isinstance(known, Original) else self._path(image_id, extension)
            if created:
                self._place(incoming, path, mark.stamp, still_allowed)
                self._clear(image_id, GONE)
            else:
                still_allowed()
                _raise_stamp(path, mark.stamp)
            self._mended(image_id)
            original = Original(image_id, path.suffix[1:], incoming.length, mark.stamp, path)
            return Kept(original, created=created)

    def bury(
        self, image_id: str, stamp: int, *, still_allowed: Callable[[], None], copy: bool = False
    ) -> None:
        """A tombstone, fsynced before the original is unlinked. Raises NewerStamp, DiskFull."""
        with self._changing(image_id):
            known = self.find(image_id)
            mark = Mark(stamp, deleted=True)
            _refuse_older(
                mark, known.mark if known else None, self.quarantined(image_id), copy=copy
            )
            self._write_tombstone(image_id, stamp, still_allowed)
            self._clear(image_id, *BY_EXTENSION)
            self.on_loss(image_id)
            self._mended(image_id)

    def finish_burial(self, image_id: str) -> None:
        """Unlink the original under a tombstone, which a node killed in between has left."""
        with self._changing(image_id):
            if isinstance(self.find(image_id), Tombstone):
                self._clear(image_id, *BY_EXTENSION)

    def unlink(self, image_id: str, mark: Mark, *, still_allowed: Callable[[], None]) -> bool:
        """Forget an id, if it is still at this mark; whether it was."""
        with self._changing(image_id):
            known = self.find(image_id)
            if known is None or known.mark != mark:
                return False
            still_allowed()
            self._clear(image_id, *BY_EXTENSION)
            self._clear(image_id, GONE)
            return True

    def quarantine(self, image_id: str) -> bool:
        """Move a copy whose bytes are not those of its id out of the way; whether it was one."""
        with self._changing(image_id):
            known = self.find(image_id)
            if not isinstance(known, Original) or not _damaged(known):
                return False
            self._set_bad(known)
            return True

    # ---- paths and steps

    def folder(self, partition: str) -> Path:
        """The folder of a partition, named by its three hex digits."""
        return self.data / "originals" / partition

    @contextmanager
    def _locked(self, image_id: str) -> Iterator[None]:
        with self._locks[int(image_id[-2:], 16) % STRIPES]:
            yield

    @contextmanager
    def _changing(self, image_id: str) -> Iterator[None]:
        """Alone with an id; however it ends, its partition's digest is not what it was."""
        with self._locked(image_id), disk_errors():
            try:
                yield
            finally:
                # No `+= 1`: two ids of one partition may change at once.
                self.versions[image_id[:3]] = next(self._numbers)

    def _path(self, image_id: str, extension: str) -> Path:
        return self.folder(image_id[:3]) / f"{image_id}.{extension}"

    def _make_partition(self, folder: Path) -> None:
        """The folder of a partition, its name durable even if another made it a moment ago."""
        if folder.name not in self._durable:
            make_folder(folder, durable=False)
            fsync_folder(folder.parent)
            self._durable.add(folder.name)

    def _place(
        self, incoming: Incoming, path: Path, stamp: int, still_allowed: Callable[[], None]
    ) -> None:
        self._make_partition(path.parent)
        os.utime(incoming.descriptor(), ns=(stamp * MS, stamp * MS))
        os.fsync(incoming.descriptor())
        still_allowed()
        incoming.path.rename(path)
        fsync_folder(path.parent)

    def _write_tombstone(
        self, image_id: str, stamp: int, still_allowed: Callable[[], None]
    ) -> None:
        path = self._path(image_id, GONE)
        with Incoming(self.data, lambda _: True) as empty:
            self._place(empty, path, stamp, still_allowed)

    def _clear(self, image_id: str, *extensions: str) -> None:
        paths = [self._path(image_id, extension) for extension in extensions]
        there = [path for path in paths if path.exists()]
        for path in there:
            path.unlink()
        if there:
            fsync_folder(there[0].parent)

    def _refuse_collision(self, known: Original) -> None:
        """Other bytes under one id: two pictures with one SHA-1, or a copy here that has rotted."""
        if not _damaged(known):
            raise Collision
        self._set_bad(known)

    def _set_bad(self, known: Original) -> None:
        known.path.rename(self.data / "quarantine" / known.path.name)
        fsync_folder(self.data / "quarantine")
        fsync_folder(known.path.parent)
        self.on_loss(known.id)

    def _mended(self, image_id: str) -> None:
        """The bad bytes stay for a person to look at, but count no more."""
        for extension in BY_EXTENSION:
            bad = self.data / "quarantine" / f"{image_id}.{extension}"
            if bad.exists():
                bad.rename(bad.with_suffix(f".{extension}.replaced"))
                fsync_folder(bad.parent)


def _nothing(image_id: str) -> None:
    del image_id


def _refuse_older(mark: Mark, known: Mark | None, lost: Mark | None, *, copy: bool) -> None:
    """Raise NewerStamp unless `mark` is to be written over what is known here."""
    newest = max((m for m in (known, lost) if m is not None), default=None)
    mends = lost is not None and known is None and mark == lost
    wanted = newer(mark, newest) or mends if copy else not wins(newest, mark.stamp)
    if not wanted and newest is not None:
        raise NewerStamp(newest.stamp)


def _raise_stamp(path: Path, stamp: int) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.utime(descriptor, ns=(stamp * MS, stamp * MS))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stat(path: Path) -> os.stat_result | None:
    with disk_errors():
        try:
            return path.stat()
        except FileNotFoundError:
            return None


def _damaged(original: Original) -> bool:
    with original.path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest() != original.id
