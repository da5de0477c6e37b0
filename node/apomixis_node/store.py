"""Originals and tombstones on disk. The disk is the truth: no index, nothing is walked at start.

    originals/3f9/3f9c…e1.jpg     the uploaded bytes; mtime = stamp in milliseconds
    originals/3f9/3f9c…e1.gone    a tombstone; mtime = its stamp
    quarantine/3f9c…e1.jpg        bytes that failed verification; mtime = the stamp they had

The newest stamp wins, the tombstone at a draw. A quarantined copy has lost its bytes, not its
promise: its stamp still counts, and the node says neither yes nor no until it is repaired.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from apomixis_node.copies import (
    Collision,
    Copy,
    HashMismatch,
    Kept,
    NewerStamp,
    Original,
    Tombstone,
    refuse_older,
)
from apomixis_node.disk import (
    MS,
    TMP,
    DiskFull,
    disk_errors,
    empty_folder,
    fsync_folder,
    make_folder,
    raise_stamp,
    set_stamp,
    stat_of,
    sync_volume,
)
from apomixis_node.formats import BY_EXTENSION
from apomixis_node.incoming import Incoming
from apomixis_node.quarantine import Quarantine
from apomixis_node.room import Room
from apomixis_ring.marks import Mark

STRIPES = 256
GONE = "gone"
FOLDERS = (TMP, "originals", "cache", "quarantine")


class Store:
    """The originals of one volume. All methods block; many threads may call them."""

    def __init__(self, data: Path, reserve: int | None = None) -> None:
        self.data = data
        self._originals = str(data / "originals")
        self.bad = Quarantine(data / "quarantine")
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
        stem = f"{self._originals}/{image_id[:3]}/{image_id}."
        original = None
        for extension in BY_EXTENSION:
            if (stat := stat_of(stem + extension)) is not None:
                stamp = stat.st_mtime_ns // MS
                path = Path(stem + extension)
                original = Original(image_id, extension, stat.st_size, stamp, path)
                break
        gone = stat_of(stem + GONE)
        if gone is not None:
            stamp = gone.st_mtime_ns // MS
            if original is None or stamp >= original.stamp:
                return Tombstone(image_id, stamp)
        return original

    def mark(self, image_id: str) -> Mark | None:
        """What is here of an id for good: waits for a write of it that is under way."""
        with self._locked(image_id):
            found, lost = self.find(image_id), self.bad.mark(image_id)
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
            return self._keep(Copy(incoming, extension, stamp), still_allowed, copy=copy)

    def keep_copies(
        self, copies: Sequence[Copy], *, still_allowed: Callable[[], None]
    ) -> list[NewerStamp | Collision | None]:
        """Keep many copies as `keep` does, their bytes flushed at once, and then their names.

        For each, why it was not kept. Raises DiskFull, DiskFailed.
        """
        with self._changing(*(copy.incoming.digest for copy in copies)):
            for one in copies:
                set_stamp(one.incoming.descriptor(), one.stamp)
            sync_volume(self.data)
            refused: list[NewerStamp | Collision | None] = []
            for one in copies:
                try:
                    self._keep(one, still_allowed, copy=True, flushed=True)
                    refused.append(None)
                except (NewerStamp, Collision) as why:
                    refused.append(why)
            sync_volume(self.data)
            return refused

    def settle(self) -> None:
        """Wait for all writes under way: what a listing before this saw is durable after it."""
        for lock in self._locks:
            with lock:
                pass

    def _keep(
        self, new: Copy, still_allowed: Callable[[], None], *, copy: bool, flushed: bool = False
    ) -> Kept:
        image_id = new.incoming.digest
        known = self.find(image_id)
        if isinstance(known, Original) and not new.incoming.equals(known.path):
            self._refuse_collision(known)
            known = None
        lost = self.bad.mark(image_id)
        mark = max(Mark(new.stamp), lost) if copy and lost else Mark(new.stamp)
        refuse_older(mark, known.mark if known else None, lost, copy=copy)
        created = not isinstance(known, Original)
        path = known.path if isinstance(known, Original) else self._path(image_id, new.extension)
        if created:
            flushed = flushed and mark.stamp == new.stamp
            self._place(new.incoming, path, mark.stamp, still_allowed, flushed=flushed)
            self._clear(image_id, GONE)
        else:
            still_allowed()
            raise_stamp(path, mark.stamp)
        self.bad.mended(image_id)
        original = Original(image_id, path.suffix[1:], new.incoming.length, mark.stamp, path)
        return Kept(original, created=created)

    def bury(
        self, image_id: str, stamp: int, *, still_allowed: Callable[[], None], copy: bool = False
    ) -> None:
        """A tombstone, fsynced before the original is unlinked. Raises NewerStamp, DiskFull."""
        with self._changing(image_id):
            known = self.find(image_id)
            mark = Mark(stamp, deleted=True)
            refuse_older(mark, known.mark if known else None, self.bad.mark(image_id), copy=copy)
            self._write_tombstone(image_id, stamp, still_allowed)
            self._clear(image_id, *BY_EXTENSION)
            self.on_loss(image_id)
            self.bad.mended(image_id)

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
            if not isinstance(known, Original) or not known.damaged():
                return False
            self._set_bad(known)
            return True

    # ---- paths and steps

    def folder(self, partition: str) -> Path:
        """The folder of a partition, named by its three hex digits."""
        return self.data / "originals" / partition

    @contextmanager
    def _locked(self, *ids: str) -> Iterator[None]:
        with ExitStack() as held:
            for stripe in sorted({int(image_id[-2:], 16) % STRIPES for image_id in ids}):
                held.enter_context(self._locks[stripe])
            yield

    @contextmanager
    def _changing(self, *ids: str) -> Iterator[None]:
        """Alone with some ids; however it ends, their partitions have other digests."""
        with self._locked(*ids), disk_errors():
            try:
                yield
            finally:
                # No `+= 1`: two ids of one partition may change at once.
                for image_id in ids:
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
        self,
        incoming: Incoming,
        path: Path,
        stamp: int,
        still_allowed: Callable[[], None],
        *,
        flushed: bool = False,
    ) -> None:
        """`flushed`: the bytes are durable with this stamp, the name will be by the caller."""
        if flushed:
            make_folder(path.parent, durable=False)
        else:
            self._make_partition(path.parent)
            set_stamp(incoming.descriptor(), stamp)
            os.fsync(incoming.descriptor())
        still_allowed()
        incoming.path.rename(path)
        if not flushed:
            fsync_folder(path.parent)

    def _write_tombstone(
        self, image_id: str, stamp: int, still_allowed: Callable[[], None]
    ) -> None:
        path = self._path(image_id, GONE)
        with Incoming(self.data, lambda _: True) as empty:
            self._place(empty, path, stamp, still_allowed)

    def _clear(self, image_id: str, *extensions: str) -> None:
        stem = f"{self._originals}/{image_id[:3]}/{image_id}."
        there = [Path(stem + e) for e in extensions if stat_of(stem + e) is not None]
        for path in there:
            path.unlink()
        if there:
            fsync_folder(there[0].parent)

    def _refuse_collision(self, known: Original) -> None:
        """Other bytes under one id: two pictures with one SHA-1, or a copy here that has rotted."""
        if not known.damaged():
            raise Collision
        self._set_bad(known)

    def _set_bad(self, known: Original) -> None:
        self.bad.take(known)
        self.on_loss(known.id)


def _nothing(image_id: str) -> None:
    del image_id
