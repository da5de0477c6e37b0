"""Renditions on disk by path, within a byte budget; every one can be thrown away at any time.

    cache/<tag>/3f9/<id>/300w.jpg     tag: pipeline, encoder settings, Pillow version

Nothing is indexed: what is there is what the disk says. The budget is kept by a sweep that looks
at partitions in random order and throws out what was read longest ago among them.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from apomixis_node.disk import DiskFailed, disk_errors, free_bytes, reserve_of, temporary

EPOCH_2000 = 946_684_800
LOW_WATER = 0.9
SAMPLE = 64  # partitions looked at together


class Cache:
    """The renditions of one pipeline on one volume. All methods block."""

    def __init__(self, data: Path, tag: str, budget: int | None, reserve: int | None) -> None:
        self._data, self._tag = data, tag
        self._root = data / "cache" / tag
        total = free_bytes(data)[0]
        self.budget = total // 10 if budget is None else budget
        self._reserve = reserve_of(data, reserve)
        self._put_since = 0
        self.evicted = 0

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
        if free_bytes(self._data)[1] - len(data) <= self._reserve:
            return False
        try:
            self._write(self._path(image_id, name), data, self.mtime(image_id))
        except DiskFailed:
            return False
        self._put_since += len(data)
        return True

    def purge(self, image_id: str) -> None:
        """Throw away all renditions of an image."""
        shutil.rmtree(self._path(image_id, ""), ignore_errors=True)

    @property
    def due(self) -> bool:
        """Whether enough was put since the last sweep that another one is worth it."""
        return self._put_since > self.budget * (1 - LOW_WATER)

    def sweep(self) -> int:
        """Measure, and evict down to 90 % of the budget; returns the bytes that are left."""
        self._put_since = 0
        used = sum(stat.st_blocks * 512 for _, stat in self._files(self._partitions()))
        if used <= self.budget:
            return used
        partitions = self._partitions()
        random.shuffle(partitions)
        for start in range(0, len(partitions), SAMPLE):
            used = self._evict(partitions[start : start + SAMPLE], used, len(partitions) - start)
            if used <= self.budget * LOW_WATER:
                break
        return used

    def forget_other_tags(self) -> None:
        """Throw away the renditions of other pipelines."""
        with suppress(OSError):
            for folder in (self._data / "cache").iterdir():
                if folder.name != self._tag:
                    shutil.rmtree(folder, ignore_errors=True)

    def _evict(self, partitions: list[Path], used: int, left: int) -> int:
        """Evict this sample's part of the excess, what was read longest ago first."""
        excess = used - self.budget * LOW_WATER
        share = excess * min(1.0, 2 * len(partitions) / left)
        for path, stat in sorted(self._files(partitions), key=lambda f: f[1].st_atime):
            if share <= 0:
                break
            with suppress(FileNotFoundError):
                path.unlink()
            share -= stat.st_blocks * 512
            used -= stat.st_blocks * 512
            self.evicted += 1
        return used

    def _partitions(self) -> list[Path]:
        with suppress(OSError):
            return list(self._root.iterdir())
        return []

    @staticmethod
    def _files(partitions: list[Path]) -> Iterator[tuple[Path, os.stat_result]]:
        for partition in partitions:
            for folder, _, names in os.walk(partition):
                for name in names:
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):
                        yield path, path.stat()

    def _path(self, image_id: str, name: str) -> Path:
        return self._root / image_id[:3] / image_id / name

    def _write(self, path: Path, data: bytes, mtime: int) -> None:
        with disk_errors():
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor, temp = temporary(self._data)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.utime(file.fileno(), (mtime, mtime))
                    os.fsync(file.fileno())
                temp.rename(path)
            except BaseException:
                temp.unlink(missing_ok=True)
                raise
