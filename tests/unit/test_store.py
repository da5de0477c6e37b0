"""The store against a model: whatever is kept, raised or refused, the disk says the same."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from apomixis_node.copies import Collision, HashMismatch, NewerStamp, Original, Tombstone
from apomixis_node.disk import DiskFull
from apomixis_node.incoming import Incoming
from apomixis_node.store import Store

CONTENTS = [f"picture {i}".encode() * (i + 1) for i in range(4)]


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def receive(store: Store, data: bytes) -> Incoming:
    incoming = store.new_file()
    for start in range(0, len(data), 7):
        incoming.write(data[start : start + 7])
    incoming.finish()
    return incoming


def keep(store: Store, data: bytes, stamp: int, extension: str = "jpg") -> bool:
    with receive(store, data) as incoming:
        return store.keep(
            incoming, sha1(data), extension, stamp, still_allowed=lambda: None
        ).created


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, reserve=0)


class Machine(RuleBasedStateMachine):
    """Uploads with old and new stamps, refusals at the last moment, restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.data = Path(tempfile.mkdtemp())
        self.store = Store(self.data, reserve=0)
        self.model: dict[str, tuple[int, bytes]] = {}

    @rule(data=st.sampled_from(CONTENTS), stamp=st.integers(0, 10))
    def upload(self, data: bytes, stamp: int) -> None:
        known = self.model.get(sha1(data))
        if known is not None and known[0] >= stamp:
            with pytest.raises(NewerStamp) as refused:
                keep(self.store, data, stamp)
            assert refused.value.stamp == known[0]
        else:
            assert keep(self.store, data, stamp) is (known is None)
            self.model[sha1(data)] = (stamp, data)

    @rule(data=st.sampled_from(CONTENTS))
    def refused_at_the_last_moment(self, data: bytes) -> None:
        def no() -> None:
            raise RuntimeError("the ring changed")

        with receive(self.store, data) as incoming, pytest.raises(RuntimeError):
            self.store.keep(incoming, sha1(data), "jpg", 99, still_allowed=no)

    @rule(data=st.sampled_from(CONTENTS))
    def given_up(self, data: bytes) -> None:
        receive(self.store, data).close()

    @rule()
    def restart(self) -> None:
        (self.data / "tmp" / "left").write_bytes(b"half a file")
        self.store = Store(self.data, reserve=0)

    @invariant()
    def the_disk_is_the_truth(self) -> None:
        files = [p for p in (self.data / "originals").rglob("*") if p.is_file()]
        found = {p.stem: (p.stat().st_mtime_ns // 1_000_000, p.read_bytes()) for p in files}
        assert found == self.model
        for image_id, (stamp, data) in self.model.items():
            original = self.store.find(image_id)
            assert isinstance(original, Original)
            assert (original.stamp, original.length) == (stamp, len(data))
            assert original.path == self.data / f"originals/{image_id[:3]}/{image_id}.jpg"

    @invariant()
    def nothing_is_left_in_tmp(self) -> None:
        assert [p for p in (self.data / "tmp").iterdir() if p.name != "left"] == []

    def teardown(self) -> None:
        shutil.rmtree(self.data)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


def test_nothing_and_modes(store: Store, tmp_path: Path) -> None:
    assert store.find("0" * 40) is None
    keep(store, b"x", 5)
    path = tmp_path / "originals" / sha1(b"x")[:3] / f"{sha1(b'x')}.jpg"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_other_bytes_than_the_ids(store: Store) -> None:
    with receive(store, b"x") as incoming, pytest.raises(HashMismatch):
        store.keep(incoming, sha1(b"y"), "jpg", 1, still_allowed=lambda: None)


def test_other_bytes_of_the_same_hash_are_a_collision(store: Store, tmp_path: Path) -> None:
    keep(store, b"mine", 1)
    with receive(store, b"mine") as incoming:
        # What only a broken SHA-1 could bring: other bytes that claim the same id.
        (tmp_path / "tmp" / incoming.path.name).write_bytes(b"them")
        with pytest.raises(Collision):
            store.keep(incoming, sha1(b"mine"), "jpg", 2, still_allowed=lambda: None)
    found = store.find(sha1(b"mine"))
    assert isinstance(found, Original)
    assert (found.path.read_bytes(), found.stamp) == (b"mine", 1)


@pytest.mark.parametrize(("stamp", "kind"), [(4, Original), (5, Tombstone), (6, Tombstone)])
def test_the_newest_stamp_wins_and_the_tombstone_at_a_draw(
    store: Store, tmp_path: Path, stamp: int, kind: type
) -> None:
    import os

    keep(store, b"x", 5)
    gone = tmp_path / "originals" / sha1(b"x")[:3] / f"{sha1(b'x')}.gone"
    gone.touch()
    os.utime(gone, ns=(stamp * 1_000_000, stamp * 1_000_000))
    assert isinstance(store.find(sha1(b"x")), kind)


def test_the_reserve_is_kept_free(tmp_path: Path) -> None:
    store = Store(tmp_path, reserve=1 << 60)
    assert store.room.usage()["full"] is True
    with pytest.raises(DiskFull):
        store.new_file()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_file_stops_growing_at_the_reserve(tmp_path: Path) -> None:
    free = Store(tmp_path, reserve=0).room.usage()["free"]
    with Store(tmp_path, reserve=free - 4096).new_file() as incoming, pytest.raises(DiskFull):
        incoming.write(bytes(64 * 1024 * 1024))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_renditions_go_before_an_original_is_refused(tmp_path: Path) -> None:
    filler = tmp_path / "filler"
    filler.write_bytes(bytes(8 * 1024 * 1024))
    free = Store(tmp_path, reserve=0).room.usage()["free"]
    store = Store(tmp_path, reserve=free + 4 * 1024 * 1024)
    store.room.make = lambda _: filler.unlink(missing_ok=True)
    with store.new_file() as incoming:
        incoming.write(b"picture")
    assert not filler.exists()


def test_what_a_delete_or_bad_bytes_take_away_is_told(tmp_path: Path) -> None:
    lost: list[str] = []
    store = Store(tmp_path)
    store.on_loss = lost.append
    with store.new_file() as incoming:
        incoming.write(b"picture")
        incoming.finish()
        store.keep(incoming, incoming.digest, "jpg", 7, still_allowed=lambda: None)
        first = incoming.digest
    found = store.find(first)
    assert isinstance(found, Original)
    assert lost == []
    found.path.write_bytes(b"rotten!")
    assert store.quarantine(first)
    store.bury(first, 1 << 42, still_allowed=lambda: None)
    assert lost == [first, first]


def test_an_original_that_a_killed_delete_left_goes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.new_file() as incoming:
        incoming.write(b"picture")
        incoming.finish()
        kept = store.keep(incoming, incoming.digest, "jpg", 7, still_allowed=lambda: None)
        store.finish_burial(incoming.digest)
        assert kept.original.path.exists(), "it is not deleted"
        gone = kept.original.path.with_suffix(".gone")
        gone.touch()
        store.finish_burial(incoming.digest)
    assert not kept.original.path.exists()
    assert gone.exists()


def test_a_start_takes_away_what_was_being_written_or_purged(tmp_path: Path) -> None:
    Store(tmp_path)
    (tmp_path / "tmp" / "purged-1").mkdir()
    (tmp_path / "tmp" / "purged-1" / "300w.jpg").touch()
    (tmp_path / "tmp" / "half").touch()
    Store(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []
