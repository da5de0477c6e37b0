"""Durable writes: temporary file on the same volume, fsync, rename, fsync the folder.

A crash leaves a whole file or none. Modes don't depend on the umask, for nginx reads these files.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TMP = "tmp"
MS = 1_000_000  # nanoseconds
GIB = 1024**3
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFailed(Exception):  # noqa: N818  what the routes call it
    """The disk can't be read or written: what it holds is unknown."""


class DiskFull(DiskFailed):
    """No room: originals are refused, nothing is lost."""


@contextmanager
def disk_errors() -> Iterator[None]:
    """OSErrors as DiskFull or DiskFailed."""
    try:
        yield
    except OSError as wrong:
        kind = DiskFull if wrong.errno in FULL else DiskFailed
        raise kind(wrong.strerror or str(wrong)) from wrong


def temporary(data: Path) -> tuple[int, Path]:
    """A new file under tmp/, open for reading and writing, mode 0644."""
    folder = data / TMP
    try:
        descriptor, name = tempfile.mkstemp(dir=folder)
    except FileNotFoundError:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
    os.fchmod(descriptor, 0o644)
    return descriptor, Path(name)


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_volume(data: Path) -> None:
    """Make everything that was written to this volume durable: one flush for many files.

    `syncfs(2)` where the C library has it, which reports errors since Linux 5.8; else `sync(2)`.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, durable: bool = True) -> None:
    """A folder and those above it, mode 0755; the names of those that it makes are durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent, durable=durable)
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o755)
    if durable:
        fsync_folder(folder.parent)


def empty_folder(folder: Path) -> None:
    """Remove what a killed node has left, unless the disk can only be read: so it will be."""
    for left in folder.iterdir():
        try:
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
        except OSError as wrong:
            if wrong.errno != errno.EROFS:
                raise


def write_durably(data: Path, path: Path, content: bytes) -> None:
    """Replace `path` by `content`, whole or not at all. Raises DiskFull, DiskFailed."""
    with disk_errors():
        make_folder(path.parent)
        descriptor, temp = temporary(data)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temp.rename(path)
        except BaseException:
            temp.unlink(missing_ok=True)
            raise
        fsync_folder(path.parent)


def free_bytes(data: Path) -> tuple[int, int]:
    """(total, free) bytes of the volume, as an unprivileged process sees it."""
    with disk_errors():
        stat = os.statvfs(data)
    return stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize


def reserve_of(data: Path, setting: int | None) -> int:
    """Bytes kept free: the setting, or 5 % of the volume or 1 GiB, whichever is less."""
    return setting if setting is not None else min(free_bytes(data)[0] // 20, GIB)


def set_stamp(descriptor: int, stamp: int) -> None:
    """Keep a stamp, in milliseconds, as the mtime of an open file."""
    os.utime(descriptor, ns=(stamp * MS, stamp * MS))


def raise_stamp(path: Path, stamp: int) -> None:
    """Give a file another stamp, durably."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        set_stamp(descriptor, stamp)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stat_of(path: str) -> os.stat_result | None:
    """None where there is no such file. Raises DiskFailed: that is never a "no"."""
    try:
        return os.stat(path)  # noqa: PTH116  asked many times for every picture
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise DiskFailed(wrong.strerror or str(wrong)) from wrong
