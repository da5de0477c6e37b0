"""What must be known before a drop, an expiry, a certain "no"; marks and epochs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apomixis_ring import epochs
from apomixis_ring.epochs import Hearing, hear
from apomixis_ring.knowledge import Knowledge
from apomixis_ring.marks import Mark, digest, lacking, newer, next_stamp, wins
from apomixis_ring.proof import caught_up, may_answer, may_drop, may_expire
from rings import members, ring

ONE = ring(5, 3, 2)
OWNERS = ONE.current[0]
STRANGER = next(m.key for m in ONE.members if m.key not in OWNERS)
GONE = Mark(5, deleted=True)
marks = st.builds(Mark, st.integers(0, 5), st.booleans())


@pytest.mark.parametrize(
    ("me", "held", "allowed"),
    [
        (STRANGER, {k: Mark(5) for k in OWNERS}, True),
        (STRANGER, {k: Mark(6) for k in OWNERS}, True),
        (STRANGER, dict.fromkeys(OWNERS, GONE), True),
        (STRANGER, {k: Mark(5) for k in OWNERS[:2]}, False),
        (STRANGER, {**{k: Mark(5) for k in OWNERS}, OWNERS[0]: Mark(4)}, False),
        (STRANGER, {}, False),
        (OWNERS[0], {k: Mark(5) for k in OWNERS}, False),
    ],
)
def test_I2_a_copy_is_dropped_only_on_proof(  # noqa: N802
    me: str, held: dict[str, Mark], allowed: bool
) -> None:
    decision = may_drop(ONE, 0, me, Mark(5), held)
    assert decision.reached is allowed
    assert decision.why.endswith(".")


def test_I2_nothing_is_dropped_while_something_is_pending() -> None:  # noqa: N802
    moving = ring(3, pending=members(5))
    held = {m.key: Mark(5) for m in moving.members}
    for m in moving.members:
        assert not may_drop(moving, 0, m.key, Mark(5), held).reached
        assert not epochs.may_unlink(moving, moving.epoch, 0, m.key)
    assert epochs.may_unlink(ONE, ONE.epoch, 0, STRANGER)
    assert not epochs.may_unlink(ONE, ONE.epoch - 1, 0, STRANGER)
    assert not epochs.may_unlink(ONE, ONE.epoch, 0, OWNERS[0])


@pytest.mark.parametrize(
    ("age", "changes", "allowed"),
    [
        (10, {}, True),
        (9, {}, False),
        (10, {"node-0": Mark(4)}, False),
        (10, {"node-0": Mark(9)}, True),
        (10, {"node-0": GONE}, True),
    ],
)
def test_I9_a_tombstone_waits_for_every_member(  # noqa: N802
    age: int, changes: dict[str, Mark], allowed: bool
) -> None:
    held: dict[str, Mark | None] = {m.key: changes.get(m.name) for m in ONE.members}
    assert may_expire(ONE, GONE, age, 10, held).reached is allowed
    held.pop(ONE.members[1].key)
    assert not may_expire(ONE, GONE, age, 10, held).reached
    moving = ring(3, pending=members(5))
    assert not may_expire(moving, GONE, 99, 10, {m.key: None for m in moving.members}).reached


@pytest.mark.parametrize(
    ("quorum", "answers_after", "sure_after"), [(1, 0, 2), (2, 1, 1), (3, 0, 0)]
)
def test_how_many_others_a_node_that_starts_must_hear(
    quorum: int, answers_after: int, sure_after: int
) -> None:
    one = ring(3, 3, quorum)
    me, *others = one.current[0]
    for heard in range(3):
        assert may_answer(one, 0, me, others[:heard]) is (heard >= answers_after)
        assert caught_up(one, 0, me, others[:heard]) is (heard >= sure_after)


def test_what_a_node_knows_of_itself() -> None:
    one = ring(3, 3, 2)
    me, other, _ = one.current[0]
    known = Knowledge(me)
    assert not known.ready(one)
    assert not known.caught_up(one, 0)
    assert known.to_catch_up(one) == list(range(16))
    for p in range(16):
        known.synced(one, p, {other})
    assert known.ready(one)
    assert known.to_catch_up(one) == []
    known.was_cut_off()
    assert known.ready(one)
    assert not known.caught_up(one, 0)


def test_I8_a_newcomer_is_trusted_with_what_it_proved_once_that_is_committed() -> None:  # noqa: N802
    moving = ring(3, epoch=2, pending=members(5))
    assert moving.pending is not None
    new = "node-4@i1"
    p = next(i for i, row in enumerate(moving.pending) if new in row)
    known = Knowledge(new)
    assert not known.answering(moving, p, shown=True)
    known.synced(moving, p, set(moving.current[p]))
    assert known.answering(moving, p, shown=True)
    assert known.proofs[p].asked == set(moving.current[p])
    after = type(moving)("test", 3, moving.members, moving.pending)
    known.adopted(moving, after)
    assert known.caught_up(after, p)
    assert known.proofs == {}


@given(marks, marks)
def test_marks_have_one_winner(a: Mark, b: Mark) -> None:
    assert newer(a, b) + newer(b, a) + (a == b) == 1
    assert newer(a, None)
    if a.stamp == b.stamp and a.deleted and not b.deleted:
        assert newer(a, b)


@given(st.integers(0, 9), st.lists(st.integers(0, 9)))
def test_a_stamp_is_above_all_that_is_known(clock: int, known: list[int]) -> None:
    stamp = next_stamp(clock, known)
    assert stamp >= clock
    assert not any(wins(Mark(k), stamp) for k in known)
    assert wins(Mark(stamp), stamp), "a draw counts"


inventories = st.dictionaries(st.sampled_from("abc"), marks)


@given(inventories, inventories)
def test_equal_digests_are_equal_inventories_and_nothing_lacks(
    a: dict[str, Mark], b: dict[str, Mark]
) -> None:
    assert (digest(a) == digest(b)) is (a == b)
    merged = {**b, **{i: a[i] for i in lacking(a, b, {})}}
    assert lacking(a, merged, {}) == ()
    assert lacking(b, merged, {}) == ()


def test_what_is_quarantined_lacks_its_bytes_but_is_not_undone_by_an_older_delete() -> None:
    bad = {"a": Mark(5)}
    assert lacking({"a": Mark(5)}, {}, bad) == ("a",)
    assert lacking({"a": Mark(4, deleted=True)}, {}, bad) == ()
    assert lacking({"a": Mark(5, deleted=True)}, {}, bad) == ("a",)


def test_epochs_and_incarnations() -> None:
    assert [hear(5, e) for e in (4, 5, 6)] == [
        Hearing.CALLER_BEHIND,
        Hearing.SAME,
        Hearing.CALLER_AHEAD,
    ]
    assert epochs.is_meant("a", "a")
    assert epochs.is_meant("a", None)
    assert not epochs.is_meant("a", "b")
    assert epochs.adopted(5, {4: 0, 5: 3})
    assert not epochs.adopted(5, {4: 1})
    assert epochs.too_late(100, 100 + 6, 10)
    assert not epochs.too_late(100, 100 + 5, 10)
