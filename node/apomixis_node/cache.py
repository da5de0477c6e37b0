"""Renditions on disk by path, within a byte budget; every one can be thrown away at any time.

    cache/<tag>/3f9/<id>/300w.jpg              tag: pipeline, encoder settings, Pillow version
    cache/<tag>/3f9/<id>/level-640.jpg         base level: most others are made from it
    cache/<tag>/3f9/<id>/300w.auto-n.jpg       the same file, found by what an `auto` URL asked for
    signed/<keys>/3f9/<id>/300w.<signature>.jpg    the same file, found by a signature once checked

Nothing is indexed: what is there is what the disk says. The budget is kept by a sweep that looks
at partitions in random order and throws out what was read longest ago among them, by days: atime
moves no oftener. Originals come first: where they need room, renditions go, budget or not.
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from stat import S_ISREG

from apomixis_node.disk import (
    TMP,
    DiskFailed,
    disk_errors,
    free_bytes,
    make_folder,
    reserve_of,
    temporary,
)

EPOCH_2000 = 946_684_800
LOW_WATER = 0.9
SAMPLE = 64  # partitions looked at together
AT_ONCE = 4 * 1024 * 1024  # what goes together where originals need room: looking costs as much
DAY_S = 86400
STRIPES = 256
SIGNED = "signed"
LEVEL = "level-"
Folders = list[Path]


@dataclass(frozen=True, slots=True)
class _Kept:
    """One rendition, and every name that it has: a hard link takes no room of its own."""

    paths: list[Path]
    length: int  # bytes on the disk
    level: bool  # it is a base level, from which others are made
    day: int  # it was read last


class Cache:
    """The renditions of one pipeline on one volume. All methods block."""

    def __init__(self, data: Path, tag: str, budget: int | None, reserve: int | None) -> None:
        self._data, self._tag = data, tag
        self.root = self._root = data / "cache" / tag
        total = free_bytes(data)[0]
        self.budget = total // 10 if budget is None else budget
        self._reserve = reserve_of(data, reserve)
        self._put_since = 0
        self.evicted = 0
        self._purges = [0] * STRIPES

    def mtime(self, image_id: str) -> int:
        """The mtime of an image's renditions, equal on every node: 2000-01-01 plus the first 28
        bits of SHA-1(id + tag), in seconds."""
        digest = hashlib.sha1(f"{image_id}{self._tag}".encode(), usedforsecurity=False)
        return EPOCH_2000 + int(digest.hexdigest()[:7], 16)

    def read(self, image_id: str, name: str) -> bytes | None:
        """A rendition's bytes, or None. Every hot request comes here: so no Path, and no buffer."""
        try:
            descriptor = os.open(f"{self._root}/{image_id[:3]}/{image_id}/{name}", os.O_RDONLY)
        except OSError:
            return None
        try:
            return os.read(descriptor, os.fstat(descriptor).st_size)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def put(self, image_id: str, name: str, data: bytes) -> bool:
        """Keep a rendition; False where there is no room: it is never worth a failure."""
        try:
            if free_bytes(self._data)[1] - len(data) <= self._reserve:
                return False
            self._write(self._path(image_id, name), data, self.mtime(image_id))
        except DiskFailed:
            return False
        self._put_since += len(data)
        return True

    def folder(self, image_id: str) -> Path:
        """Where the renditions of an image lie."""
        return self._root / image_id[:3] / image_id

    def link(self, image_id: str, name: str, other: Path) -> bool:
        """Give a rendition another name, by which nginx finds it; whether it has it now."""
        path = self._path(image_id, name)
        with suppress(OSError):
            make_folder(other.parent, durable=False)
            try:
                os.link(path, other)
            except FileExistsError:
                if not path.samefile(other):
                    other.unlink()
                    os.link(path, other)
            return True
        return False

    def purge(self, image_id: str) -> None:
        """Throw away all renditions of an image, with every name that they have, at once.

        The renditions go first: then nothing is left that could get another name.
        """
        self._purges[int(image_id[:2], 16)] += 1
        for root in self._roots():
            folder = root / image_id[:3] / image_id
            doomed = self._data / TMP / f"purged-{secrets.token_hex(8)}"
            with suppress(OSError):
                folder.rename(doomed)
                folder = doomed
            shutil.rmtree(folder, ignore_errors=True)

    def purges(self, image_id: str) -> int:
        """Another number after a purge: what was asked for before it must not be kept after it."""
        return self._purges[int(image_id[:2], 16)]

    @property
    def due(self) -> bool:
        """Whether enough was put since the last sweep that another one is worth it."""
        return self._put_since > self.budget * (1 - LOW_WATER)

    def sweep(self) -> int:
        """Measure, and evict down to 90 % of the budget; returns the bytes that are left."""
        self._put_since = 0
        used = sum(kept.length for kept in _all(self._partitions()))
        if used <= self.budget:
            return used
        return used - self._evict(used - self.budget * LOW_WATER)

    def make_room(self, length: int) -> int:
        """Evict at least so many bytes, if there are as many; how many it were."""
        return self._evict(max(length, AT_ONCE))

    def forget_other_tags(self) -> None:
        """Throw away the renditions of other pipelines."""
        with suppress(OSError):
            for folder in (self._data / "cache").iterdir():
                if folder.name != self._tag:
                    shutil.rmtree(folder, ignore_errors=True)

    def _evict(self, length: float) -> int:
        """Evict until that many bytes are free; how many it were."""
        partitions = self._partitions()
        random.shuffle(partitions)
        freed = 0
        for start in range(0, len(partitions), SAMPLE):
            if freed >= length:
                break
            sample = partitions[start : start + SAMPLE]
            part = min(1.0, 2 * len(sample) / (len(partitions) - start))
            freed += self._evict_from(sample, (length - freed) * part)
        return freed

    def _evict_from(self, partitions: list[Folders], share: float) -> int:
        """Evict a sample's share, what was read longest ago first, and base levels last."""
        found = list(_all(partitions))
        random.shuffle(found)  # on one day nothing says which was read first
        freed = 0
        for kept in sorted(found, key=attrgetter("level", "day")):
            if freed >= share:
                break
            with suppress(OSError):
                for path in kept.paths:
                    path.unlink(missing_ok=True)
                freed += kept.length
                self.evicted += 1
            for path in kept.paths:
                with suppress(OSError):  # a folder that still holds something stays
                    path.parent.rmdir()
                    path.parent.parent.rmdir()
        return freed

    def _roots(self) -> list[Path]:
        """Where renditions have names; where they are written to comes first."""
        signed: list[Path] = []
        with suppress(OSError):
            signed = list((self._data / SIGNED).iterdir())
        return [self._root, *signed]

    def _partitions(self) -> list[Folders]:
        """The folders of each partition, under all roots."""
        found: dict[str, list[Path]] = {}
        for root in self._roots():
            with suppress(OSError):
                for folder in root.iterdir():
                    found.setdefault(folder.name, []).append(folder)
        return list(found.values())

    def _path(self, image_id: str, name: str) -> Path:
        return self._root / image_id[:3] / image_id / name

    def _write(self, path: Path, data: bytes, mtime: int) -> None:
        with disk_errors():
            make_folder(path.parent, durable=False)
            descriptor, temp = temporary(self._data)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.utime(file.fileno(), (time.time(), mtime))  # not read yet, but wanted now
                    os.fsync(file.fileno())
                temp.rename(path)
            except BaseException:
                temp.unlink(missing_ok=True)
                raise


def _all(partitions: list[Folders]) -> Iterator[_Kept]:
    for folders in partitions:
        yield from _files(folders)


def _files(folders: Folders) -> Iterator[_Kept]:
    inodes: dict[int, _Kept] = {}
    for path in (path for folder in folders for path in folder.rglob("*")):
        with suppress(OSError):
            stat = path.lstat()
            if S_ISREG(stat.st_mode):
                level = path.name.startswith(LEVEL)
                kept = _Kept([], stat.st_blocks * 512, level, int(stat.st_atime // DAY_S))
                inodes.setdefault(stat.st_ino, kept).paths.append(path)
    yield from inodes.values()
