"""Durable writes: the order of the calls that make a crash leave a whole file or none."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apomixis_node.disk import DiskFailed, DiskFull, disk_errors, make_folder, write_durably
from apomixis_node.store import Store


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the calls that matter, as they happen."""
    seen: list[str] = []

    def watch(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            what = name
            if name == "fsync":
                what = "fsync folder" if Path(f"/proc/self/fd/{args[0]}").is_dir() else "fsync file"
            seen.append(what)
            return real(*args, **kwargs)

        return watched

    monkeypatch.setattr(os, "fsync", watch("fsync", os.fsync))
    monkeypatch.setattr(os, "utime", watch("utime", os.utime))
    monkeypatch.setattr(Path, "rename", watch("rename", Path.rename))
    return seen


def test_temporary_fsync_rename_fsync_folder(tmp_path: Path, calls: list[str]) -> None:
    make_folder(tmp_path / "a")
    calls.clear()
    write_durably(tmp_path, tmp_path / "a" / "b.json", b"{}")
    assert calls == ["fsync file", "rename", "fsync folder"]
    assert (tmp_path / "a" / "b.json").read_bytes() == b"{}"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_new_folder_is_durable_in_the_one_above(tmp_path: Path, calls: list[str]) -> None:
    make_folder(tmp_path / "a" / "b")
    assert calls == ["fsync folder", "fsync folder"]


def test_an_original_has_its_stamp_before_its_name(tmp_path: Path, calls: list[str]) -> None:
    store = Store(tmp_path, reserve=0)
    make_folder(tmp_path / "originals" / "11f")
    with store.new_file() as incoming:
        incoming.write(b"x")
        incoming.finish()
        assert incoming.digest.startswith("11f")
        calls.clear()
        store.keep(incoming, incoming.digest, "jpg", 7, still_allowed=lambda: calls.append("ask"))
    assert calls == ["fsync folder", "utime", "fsync file", "ask", "rename", "fsync folder"]


def test_a_raised_stamp_is_fsynced(tmp_path: Path, calls: list[str]) -> None:
    store = Store(tmp_path, reserve=0)
    for stamp in (1, 2):
        with store.new_file() as incoming:
            incoming.write(b"x")
            incoming.finish()
            calls.clear()
            store.keep(incoming, incoming.digest, "jpg", stamp, still_allowed=lambda: None)
    assert calls == ["utime", "fsync file"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, DiskFailed)],
)
def test_errors_of_the_disk(number: int, kind: type[DiskFailed]) -> None:
    with pytest.raises(kind) as failed, disk_errors():
        raise OSError(number, os.strerror(number))
    assert type(failed.value) is kind


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(DiskFull):
        write_durably(tmp_path, tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert list((tmp_path / "tmp").iterdir()) == []
