"""Whose volume it is: made once, kept, and never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from apomixis_node.identity import WrongVolumeError, identify, keep_ring, load_ring
from apomixis_ring.model import PARTITIONS
from rings import ring


def test_a_blank_volume_gets_an_identity_and_keeps_it(tmp_path: Path) -> None:
    one = identify(tmp_path, "photos", "node-0")
    assert (one.cluster, one.name) == ("photos", "node-0")
    assert identify(tmp_path, "photos", "node-0") == one


def test_another_blank_volume_is_another_incarnation(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = (identify(tmp_path / name, "photos", "node-0") for name in "ab")
    assert one.incarnation != two.incarnation


@pytest.mark.parametrize(("cluster", "name"), [("other", "node-0"), ("photos", "node-1")])
def test_anothers_volume_is_refused(tmp_path: Path, cluster: str, name: str) -> None:
    identify(tmp_path, "photos", "node-0")
    with pytest.raises(WrongVolumeError, match="belongs to node-0 of the cluster photos"):
        identify(tmp_path, cluster, name)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cluster": "x"}', "null", "\x00"])
def test_a_damaged_identity_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity.json").write_text(text)
    with pytest.raises(WrongVolumeError, match="is damaged"):
        identify(tmp_path, "photos", "node-0")
    assert (tmp_path / "identity.json").read_text() == text


def test_the_ring_there_and_back(tmp_path: Path) -> None:
    assert load_ring(tmp_path) is None
    one = ring(partitions=PARTITIONS)
    keep_ring(tmp_path, one)
    assert load_ring(tmp_path) == one


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe"])
def test_a_damaged_ring_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "ring.json").write_bytes(data)
    with pytest.raises(WrongVolumeError, match="remove it"):
        load_ring(tmp_path)
