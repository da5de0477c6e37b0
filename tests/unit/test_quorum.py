"""When a write is acknowledged, and when a "no" is true: tables, then proofs by Hypothesis."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apomixis_ring import quorum
from apomixis_ring.answers import answer, weighed
from apomixis_ring.marks import Mark
from apomixis_ring.model import Ring
from apomixis_ring.quorum import Answer, Verdict, acknowledged, deleted, read
from rings import members, ring

ID = "000" + "0" * 37
Y, N, G, U = Answer.YES, Answer.NO, Answer.GONE, Answer.UNKNOWN


def owners(of: Ring) -> tuple[str, ...]:
    return of.current[of.index(ID)]


@pytest.mark.parametrize(
    ("replication", "write_quorum", "holders", "reached"),
    [
        (3, 2, 2, True),
        (3, 2, 1, False),
        (3, 1, 1, True),
        (3, 3, 2, False),
        (3, 3, 3, True),
        (1, 1, 0, False),
        (1, 1, 1, True),
        (5, 3, 2, False),
    ],
)
def test_acknowledged_by_w(
    replication: int, write_quorum: int, holders: int, reached: bool
) -> None:
    one = ring(5, replication, write_quorum)
    decision = acknowledged(one, ID, owners(one)[:holders])
    assert decision.reached is reached
    assert f"{holders} of {replication} current owners hold it" in decision.why


def test_only_owners_count() -> None:
    one = ring(5, 3, 2)
    others = [m.key for m in one.members if m.key not in owners(one)]
    assert not acknowledged(one, ID, [*others, owners(one)[0]]).reached


def test_in_a_transition_both_tables_count_and_one_node_may_count_twice() -> None:
    one = ring(3, 3, 2, pending=members(5))
    assert one.pending is not None
    current, pending = set(owners(one)), set(one.pending[one.index(ID)])
    assert acknowledged(one, ID, current | pending).reached
    gaining = pending - current
    if gaining:
        assert not acknowledged(one, ID, current - pending).reached
    assert acknowledged(one, ID, sorted(current & pending)[:2]).reached is (
        len(current & pending) >= 2
    )


@pytest.mark.parametrize(
    ("write_quorum", "answers", "verdict"),
    [
        (2, (N, N, N), Verdict.ABSENT),
        (2, (N, N, U), Verdict.ABSENT),
        (2, (N, U, U), Verdict.UNCERTAIN),
        (2, (U, U, U), Verdict.UNCERTAIN),
        (2, (N, N, Y), Verdict.FOUND),
        (2, (G, N, U), Verdict.DELETED),
        (2, (G, U, U), Verdict.UNCERTAIN),
        (2, (G, G, Y), Verdict.FOUND),
        (1, (N, N, U), Verdict.UNCERTAIN),
        (1, (N, N, N), Verdict.ABSENT),
        (3, (N, N, U), Verdict.UNCERTAIN),
        (3, (N, N, N), Verdict.ABSENT),
    ],
)
def test_what_a_read_may_say(
    write_quorum: int, answers: tuple[Answer, ...], verdict: Verdict
) -> None:
    one = ring(3, 3, write_quorum)
    reading = read(one, ID, dict(zip(owners(one), answers, strict=True)))
    assert reading.verdict is verdict
    assert reading.why.endswith(".")


def test_answers_of_strangers_are_not_heard() -> None:
    one = ring(5, 3, 2)
    strangers = {m.key: Y for m in one.members if m.key not in owners(one)}
    assert read(one, ID, strangers).verdict is Verdict.UNCERTAIN


rings = st.builds(
    ring,
    st.integers(1, 5),
    st.integers(1, 4),
    st.just(1),
    pending=st.none() | st.integers(1, 6).map(members),
)


def with_quorum(found: Ring, dice: st.DataObject) -> Ring:
    quorums = st.integers(1, found.current.replication)
    return ring(
        len({k for row in found.current for k in row}),
        found.current.replication,
        dice.draw(quorums),
        pending=None
        if found.pending is None
        else [found.member(k) for k in {k for row in found.pending for k in row}],
    )


@settings(max_examples=200, deadline=None)
@given(rings, st.data())
def test_I1_an_acknowledged_upload_is_on_w_owners_of_each_table(  # noqa: N802
    found: Ring, dice: st.DataObject
) -> None:
    one = with_quorum(found, dice)
    holders = dice.draw(st.sets(st.sampled_from([m.key for m in one.members])))
    tables = [one.current] + ([one.pending] if one.pending else [])
    index = one.index(ID)
    enough = all(len(holders & set(t[index])) >= min(t.write_quorum, len(t[index])) for t in tables)
    assert acknowledged(one, ID, holders).reached is enough


@settings(max_examples=300, deadline=None)
@given(rings, st.data())
def test_I5_what_was_acknowledged_is_never_a_404(  # noqa: N802
    found: Ring, dice: st.DataObject
) -> None:
    """Whoever holds it, whoever answers: no set of honest answers adds up to "absent"."""
    one = with_quorum(found, dice)
    keys = [m.key for m in one.readers(ID)]
    holders = dice.draw(st.sets(st.sampled_from(keys)))
    heard = dice.draw(st.sets(st.sampled_from(keys)))
    said = {key: Y if key in holders else N for key in heard}
    if acknowledged(one, ID, holders).reached:
        assert read(one, ID, said).verdict in (Verdict.FOUND, Verdict.UNCERTAIN)
    if said and Y in said.values():
        assert read(one, ID, said).verdict is Verdict.FOUND


@settings(max_examples=200, deadline=None)
@given(rings, st.data())
def test_I9_every_upload_quorum_meets_an_acknowledged_delete(  # noqa: N802
    found: Ring, dice: st.DataObject
) -> None:
    one = with_quorum(found, dice)
    keys = [m.key for m in one.readers(ID)]
    gone = dice.draw(st.sets(st.sampled_from(keys)))
    stored = dice.draw(st.sets(st.sampled_from(keys)))
    if deleted(one, ID, gone).reached and acknowledged(one, ID, stored).reached:
        assert gone & stored


@pytest.mark.parametrize(
    ("mark", "ready", "caught_up", "quarantined", "said"),
    [
        (Mark(1), True, True, False, Y),
        (Mark(1), True, False, False, Y),
        (Mark(1), False, True, False, U),
        (Mark(1), True, True, True, U),
        (Mark(1, deleted=True), True, True, False, G),
        (Mark(1, deleted=True), True, False, False, U),
        (None, True, True, False, N),
        (None, True, False, False, U),
        (None, True, True, True, U),
        (None, False, False, False, U),
    ],
)
def test_what_an_owner_may_say(
    mark: Mark | None, ready: bool, caught_up: bool, quarantined: bool, said: Answer
) -> None:
    assert answer(mark, ready=ready, caught_up=caught_up, quarantined=quarantined) is said


def test_a_yes_that_a_tombstone_wins_over_is_none() -> None:
    old, new, gone = Mark(5), Mark(9), Mark(7, deleted=True)
    assert weighed({"a": (Y, old), "b": (G, gone)}) == {"a": G, "b": G}
    assert weighed({"a": (Y, new), "b": (G, gone)}) == {"a": Y, "b": G}
    assert weighed({"a": (Y, old)}, mine=gone) == {"a": G}
    assert weighed({"a": (Y, Mark(7))}, mine=gone) == {"a": G}
    assert weighed({"a": (U, None), "b": (N, None)}) == {"a": U, "b": N}


def test_certain_is_the_larger_quorum() -> None:
    for write_quorum, wanted in ((1, 3), (2, 2), (3, 3)):
        table = ring(3, 3, write_quorum).current
        assert quorum.certain(table, 0) == wanted
