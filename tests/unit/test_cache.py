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
        os.utime(path, (86400 * (100 + age), cache.mtime(image_id)))
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


def test_a_link_is_the_same_file_and_goes_with_it(cache: Cache, tmp_path: Path) -> None:
    cache.put(IDS[1], "300w.png", b"x")
    folder = tmp_path / "cache" / "tag1" / "001" / IDS[1]
    other = tmp_path / "signed" / "keys" / "001" / IDS[1] / "300w.sig.png"
    assert cache.link(IDS[1], "300w.png", folder / "300w.auto-n.png")
    assert cache.link(IDS[1], "300w.png", other)
    assert cache.link(IDS[1], "300w.png", other), "a second time is no failure"
    assert other.samefile(folder / "300w.auto-n.png")
    assert other.samefile(folder / "300w.png")
    cache.purge(IDS[1])
    assert not other.parent.exists()
    assert not folder.exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_is_not_there_gets_no_link(cache: Cache, tmp_path: Path) -> None:
    assert not cache.link(IDS[1], "300w.png", tmp_path / "signed" / "k" / "001" / IDS[1] / "a")


def test_a_link_of_what_was_made_again_is_made_again(cache: Cache, tmp_path: Path) -> None:
    other = tmp_path / "signed" / "keys" / "001" / IDS[1] / "300w.sig.png"
    cache.put(IDS[1], "300w.png", b"x")
    cache.link(IDS[1], "300w.png", other)
    cache.put(IDS[1], "300w.png", b"x")
    cache.link(IDS[1], "300w.png", other)
    assert other.samefile(tmp_path / "cache" / "tag1" / "001" / IDS[1] / "300w.png")


def test_hard_links_are_counted_once_and_go_together(cache: Cache, tmp_path: Path) -> None:
    folder = tmp_path / "signed" / "keys"
    for image_id in IDS:
        cache.put(image_id, "300w.png", bytes(100_000))
        name = f"{image_id[:3]}/{image_id}/300w.sig.png"
        assert cache.link(image_id, "300w.png", folder / name)
    left = cache.sweep()
    assert cache.budget // 2 < left <= cache.budget, "every link counted would leave a quarter"
    rest = {
        p.stat().st_nlink for root in ("cache", "signed") for p in (tmp_path / root).rglob("*.png")
    }
    assert rest == {2}, "a rendition goes with all its names"


def test_what_was_read_today_stays_before_what_was_read_yesterday(tmp_path: Path) -> None:
    """atime moves once a day at most where nginx reads: hours don't count, days do."""
    cache = Cache(tmp_path, "tag1", 19 * MIB, 0)
    day = 86400 * 20_000
    for i, image_id in enumerate(IDS):
        cache.put(image_id, "300w.png", bytes(100_000))
        path = tmp_path / "cache" / "tag1" / image_id[:3] / image_id / "300w.png"
        read = day - 1 if i % 2 else day + i  # yesterday, or some time today
        os.utime(path, (read, cache.mtime(image_id)))
    cache.sweep()
    alive = {i for i, image_id in enumerate(IDS) if cache.read(image_id, "300w.png")}
    assert sum(i % 2 == 0 for i in alive) == 100
    assert sum(i % 2 for i in alive) < 100


def test_room_is_made_for_originals_budget_or_not(cache: Cache, tmp_path: Path) -> None:
    for image_id in IDS[:50]:
        cache.put(image_id, "300w.png", bytes(100_000))
    before = used(tmp_path / "cache")
    assert cache.make_room(1) > 0
    assert 0 < used(tmp_path / "cache") < before, "a bit more than asked for, but not all"
    cache.make_room(1 << 40)
    assert used(tmp_path / "cache") == 0


def test_a_purge_is_noticed_by_who_was_fetching_meanwhile(cache: Cache) -> None:
    before = cache.purges(IDS[1])
    assert cache.purges(IDS[1]) == before
    cache.purge(IDS[1])
    assert cache.purges(IDS[1]) != before
