"""The ring as a value: owners, readers, writers; JSON there and back; whatever is no ring."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apomixis_ring.model import PARTITIONS, Ring, RingError, is_image_id, partition
from apomixis_ring.placement import place
from apomixis_ring.reading import from_json, loads
from rings import members, ring

WHOLE = ring(4, pending=members(5), partitions=PARTITIONS)
ID = "3f9" + "0" * 37


def test_an_image_lives_in_the_partition_of_its_first_three_digits() -> None:
    assert partition(ID) == 0x3F9
    assert WHOLE.index(ID) == 0x3F9
    assert tuple(m.key for m in WHOLE.owners(ID)) == WHOLE.current[0x3F9]


def test_readers_are_current_owners_then_pending_ones_each_once() -> None:
    assert WHOLE.pending is not None
    for image_id in (f"{p:03x}" + "0" * 37 for p in range(0, 4096, 61)):
        p = partition(image_id)
        wanted = dict.fromkeys(WHOLE.current[p] + WHOLE.pending[p])
        assert [m.key for m in WHOLE.readers(image_id)] == list(wanted)
        assert WHOLE.writers(image_id) == WHOLE.readers(image_id)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a" * 40, True),
        ("A" * 40, False),
        ("a" * 39, False),
        ("a" * 41, False),
        ("a" * 40 + "\n", False),
        ("", False),
        ("g" * 40, False),
        ("\u0661" * 40, False),
    ],
)
def test_what_an_id_is(text: str, right: bool) -> None:
    assert is_image_id(text) is right


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 2**53), st.none() | st.integers(1, 7))
def test_json_there_and_back(count: int, replication: int, epoch: int, pending: int | None) -> None:
    then = members(pending) if pending else None
    one = ring(count, replication, 1, epoch=epoch, pending=then, partitions=PARTITIONS)
    again = loads(one.dumps())
    assert again == one
    assert again.dumps() == one.dumps()
    assert len(one.dumps()) < 200_000  # it must fit a ConfigMap


def test_quorums_of_a_partition_with_too_few_owners() -> None:
    table = place(members(2), 3, write_quorum=3, partitions=16)
    assert (table.write_quorum_of(0), table.read_quorum_of(0)) == (2, 1)
    table = place(members(5), 3, write_quorum=2, partitions=16)
    assert (table.write_quorum_of(0), table.read_quorum_of(0)) == (2, 2)


def packed(cells: bytes) -> str:
    return base64.b64encode(zlib.compress(cells)).decode()


def broken(**changes: Any) -> dict[str, Any]:
    return {**WHOLE.to_json(), **changes}


def with_member(**changes: Any) -> dict[str, Any]:
    found = WHOLE.to_json()
    return {**found, "members": [{**found["members"][0], **changes}, *found["members"][1:]]}


MALFORMED: dict[str, object] = {
    "a list": [],
    "nothing": None,
    "no members": broken(members=[]),
    "members of another kind": broken(members={"a": 1}),
    "a member that is text": broken(members=["node-0"]),
    "epoch 0": broken(epoch=0),
    "epoch true": broken(epoch=True),
    "epoch as text": broken(epoch="7"),
    "a broken epoch": broken(epoch=1.5),
    "no cluster": broken(cluster=None),
    "replication 0": broken(replication=0),
    "replication 8": broken(replication=8),
    "a write quorum above replication": broken(writeQuorum=4),
    "write quorum 0": broken(writeQuorum=0),
    "no base64": broken(current="%%%"),
    "no zlib": broken(current=base64.b64encode(b"hello").decode()),
    "too short": broken(current=packed(b"\0\0")),
    "too long": broken(current=packed(bytes(4096 * 3 * 2 + 2))),
    "a bomb": broken(current=packed(bytes(50_000_000))),
    "an unknown member": broken(current=packed(b"\0\x63" * 4096 * 3)),
    "an owner twice": broken(current=packed(b"\0\0" * 4096 * 3)),
    "nobody": broken(current=packed(b"\xff\xff" * 4096 * 3)),
    "pending as text": broken(pending="x"),
    "pending without quorums": broken(pending={"table": ""}),
    "pending of another size": broken(
        pending={"replication": 1, "writeQuorum": 1, "table": packed(b"\0\0")}
    ),
    "two members the same": broken(members=[WHOLE.to_json()["members"][0]] * len(WHOLE.members)),
    "a nameless member": with_member(name=""),
    "no incarnation": with_member(incarnation=None),
    "weight 0": with_member(weight=0),
    "weight true": with_member(weight=True),
    "weight NaN": with_member(weight=float("nan")),
    "a huge weight": with_member(weight=10**400),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_ring_is_refused_in_a_sentence(what: str) -> None:
    with pytest.raises(RingError) as refused:
        from_json(MALFORMED[what])
    said = str(refused.value)
    assert said.endswith(".")
    assert 10 < len(said) < 200


@pytest.mark.parametrize("text", ["", "{", "null", "NaN", "[" * 100_000, '{"epoch": 1e999}'])
def test_text_that_is_no_ring(text: str) -> None:
    with pytest.raises(RingError):
        loads(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from([*WHOLE.to_json(), "table", "name", "weight"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(fields, values, max_size=3))
def test_any_json_is_a_ring_or_refused(changes: dict[str, Any]) -> None:
    said = ""
    try:
        assert isinstance(from_json(broken(**changes)), Ring)
    except RingError as refused:
        said = str(refused)
    assert said == "" or said.endswith(".")


def test_json_is_what_scripts_expect() -> None:
    found = json.loads(WHOLE.dumps())
    assert found["epoch"] == 1
    assert found["replication"] == 3
    assert len(zlib.decompress(base64.b64decode(found["current"]))) == 4096 * 3 * 2
    assert set(found["pending"]) == {"replication", "writeQuorum", "table"}
