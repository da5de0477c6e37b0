"""Renditions on disk: found, bounded, purged, and dated alike on every node."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from apomixis_node.cache import EPOCH_2000, Cache

IDS = [f"{i:03x}" + f"{i:037x}" for i in range(200)]
MIB = 1024 * 1024


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path, "tag1", 10 * MIB, 0)


def used(root: Path) -> int:
    return sum(p.stat().st_blocks * 512 for p in root.rglob("*") if p.is_file())


def test_put_and_read(cache: Cache, tmp_path: Path) -> None:
    assert cache.read(IDS[1], "300w.jpg") is None
    assert cache.put(IDS[1], "300w.jpg", b"pixels")
    assert cache.read(IDS[1], "300w.jpg") == b"pixels"
    path = tmp_path / "cache" / "tag1" / "001" / IDS[1] / "300w.jpg"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    assert int(path.stat().st_mtime) == cache.mtime(IDS[1])


def test_mtimes_are_the_same_on_every_node_and_differ_by_picture_and_pipeline(
    cache: Cache, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Cache(tmp_path / "other", "tag1", 1, 0)
    assert cache.mtime(IDS[1]) == other.mtime(IDS[1])
    assert cache.mtime(IDS[1]) != cache.mtime(IDS[2])
    assert cache.mtime(IDS[1]) != Cache(tmp_path, "tag2", 1, 0).mtime(IDS[1])
    assert EPOCH_2000 <= cache.mtime(IDS[1]) < EPOCH_2000 + (1 << 28)


def test_a_purge_takes_every_rendition_of_one_picture(cache: Cache) -> None:
    for name in ("300w.jpg", "100s.webp", "about.json"):
        cache.put(IDS[1], name, b"x")
    cache.put(IDS[2], "300w.jpg", b"x")
    cache.purge(IDS[1])
    assert [cache.read(IDS[1], n) for n in ("300w.jpg", "100s.webp", "about.json")] == [None] * 3
    assert cache.read(IDS[2], "300w.jpg") == b"x"


def test_a_sweep_keeps_the_budget_and_what_was_read_last(cache: Cache, tmp_path: Path) -> None:
    for age, image_id in enumerate(IDS):
        cache.put(image_id, "300w.jpg", bytes(100_000))
        path = tmp_path / "cache" / "tag1" / image_id[:3] / image_id / "300w.jpg"
        os.utime(path, (1_000_000 + age, cache.mtime(image_id)))
    due_before = cache.due
    assert used(tmp_path / "cache") > cache.budget
    left = cache.sweep()
    assert used(tmp_path / "cache") == left <= cache.budget
    assert left > cache.budget // 2
    assert (due_before, cache.due) == (True, False)
    alive = [i for i, image_id in enumerate(IDS) if cache.read(image_id, "300w.jpg")]
    # Sampling is not exact, but the newer half must have fared better.
    assert sum(i >= 100 for i in alive) > sum(i < 100 for i in alive)


def test_below_the_budget_nothing_goes(cache: Cache) -> None:
    cache.put(IDS[1], "300w.jpg", b"x")
    cache.sweep()
    assert cache.read(IDS[1], "300w.jpg") == b"x"


def test_other_pipelines_are_forgotten(cache: Cache, tmp_path: Path) -> None:
    Cache(tmp_path, "old", 1, 0).put(IDS[1], "300w.jpg", b"old")
    cache.put(IDS[1], "300w.jpg", b"new")
    cache.forget_other_tags()
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["tag1"]
    assert cache.read(IDS[1], "300w.jpg") == b"new"


def test_a_full_disk_is_no_failure(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "tag1", 10 * MIB, 1 << 60)
    assert cache.put(IDS[1], "300w.jpg", b"x") is False
    assert cache.read(IDS[1], "300w.jpg") is None
