"""The next step of the protocol, situation by situation; then from any start to the wanted end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apomixis_ring import transition
from apomixis_ring.model import Member, Ring
from apomixis_ring.moving import moving
from apomixis_ring.proof import Proof
from apomixis_ring.transition import Phase, Report, Step, Wanted, changed, step
from rings import member, members, ring

THREE, FIVE = members(3), members(5)


def wanted(of: list[Member], replication: int = 3, quorum: int = 2) -> Wanted:
    return Wanted(tuple(of), replication, quorum)


def reports(of: Ring, also: tuple[Member, ...] = (), **changes: Report) -> dict[str, Report]:
    """Everybody answers at the ring's epoch; `also` are blank newcomers; `changes` by name."""
    found = {m.key: Report(of.epoch) for m in of.members}
    found |= {m.key: Report(0, blank=True) for m in also if m.key not in found}
    for name, report in changes.items():
        (key,) = [k for k in found if k.startswith(name.replace("_", "-") + "@")]
        found[key] = report
    return found


def proofs(of: Ring, asked: frozenset[str] | None = None) -> dict[int, Proof]:
    return {
        p: Proof(of.epoch, frozenset(of.current[p]) if asked is None else asked)
        for p in changed(of)
    }


def proved(of: Ring) -> dict[str, Report]:
    return {m.key: Report(of.epoch, proofs=proofs(of)) for m in of.members}


COPYING = ring(3, epoch=2, pending=FIVE)


def test_nothing_wanted_nothing_done() -> None:
    one = ring(3)
    found = step(one, wanted(THREE), reports(one))
    assert (found.phase, found.swap, found.members) == (Phase.STABLE, None, ())


def test_propose_is_the_next_epoch_with_a_pending_table() -> None:
    one = ring(3)
    found = step(one, wanted(FIVE), reports(one, also=tuple(FIVE)))
    assert found.phase is Phase.PROPOSE
    assert found.swap is not None
    assert (found.swap.epoch, found.swap.current) == (2, one.current)
    assert found.swap.pending == transition.target(one, wanted(FIVE))
    assert {m.name for m in found.swap.members} == {m.name for m in FIVE}


def test_volumes_that_left_are_not_joined_before_they_are_blank() -> None:
    one = ring(3)
    late = {m.key: Report(1) for m in FIVE[3:]}
    found = step(one, wanted(FIVE), {**reports(one), **late})
    assert found.phase is Phase.RETIRE
    assert set(found.members) == set(late)


@pytest.mark.parametrize(
    ("situation", "phase"),
    [
        (reports(COPYING, node_3=Report(1)), Phase.PUBLISH),
        (reports(COPYING), Phase.COPY),
        (proved(COPYING), Phase.COMMIT),
        ({k: r for k, r in proved(COPYING).items() if "node-4" not in k}, Phase.COPY),
        (
            {k: r for k, r in proved(COPYING).items() if k[:6] not in ("node-0", "node-1")},
            Phase.BLOCKED,
        ),
        (
            {k: Report(2, proofs=proofs(replace(COPYING, epoch=1))) for k in proved(COPYING)},
            Phase.COPY,
        ),
        ({k: Report(2, proofs=proofs(COPYING, frozenset())) for k in proved(COPYING)}, Phase.COPY),
    ],
)
def test_towards_the_commit(situation: dict[str, Report], phase: Phase) -> None:
    found = step(COPYING, wanted(FIVE), situation)
    assert found.phase is phase, found.why
    assert found.why.endswith(".")
    assert (found.swap is not None) is (phase is Phase.COMMIT)


def test_blocked_names_who_must_answer_and_goes_on_with_an_accepted_loss() -> None:
    left = {k: r for k, r in proved(COPYING).items() if k[:6] not in ("node-0", "node-1")}
    lost = [m.key for m in COPYING.members if m.name in ("node-0", "node-1")]
    found = step(COPYING, wanted(FIVE), left)
    assert set(found.members) == set(lost)
    assert "node-0" in found.why
    assert "SourceUnavailable" in found.why
    assert step(COPYING, wanted(FIVE), left, lost=lost).phase is not Phase.BLOCKED


def test_a_changed_mind() -> None:
    back = step(COPYING, wanted(THREE), reports(COPYING))
    assert back.phase is Phase.ABORT
    assert back.swap is not None
    assert (back.swap.epoch, back.swap.pending, back.swap.current) == (3, None, COPYING.current)
    other = step(COPYING, wanted(members(4)), reports(COPYING))
    assert other.phase is Phase.PROPOSE
    assert other.swap is not None
    assert other.swap.pending not in (None, COPYING.pending)


def test_after_the_commit_adopt_retire_clean() -> None:
    one = ring(3, epoch=7)
    gone = member("node-9")
    assert step(one, wanted(THREE), reports(one, node_1=Report(6))).phase is Phase.ADOPT
    silent = {k: r for k, r in reports(one).items() if k[:6] == "node-0"}
    assert step(one, wanted(THREE), silent).phase is Phase.ADOPT
    leaving = {**reports(one), gone.key: Report(7)}
    assert step(one, wanted(THREE), leaving).phase is Phase.RETIRE
    left = {**reports(one), gone.key: Report(7, retired=True)}
    assert step(one, wanted(THREE), left).phase is Phase.STABLE
    unclean = reports(one, node_2=Report(7, leftovers=4))
    assert step(one, wanted(THREE), unclean).phase is Phase.CLEAN


def test_another_address_is_the_next_epoch_and_moves_nothing() -> None:
    one = ring(3)
    moved = [replace(m, url=m.url + "0") for m in THREE]
    found = step(one, wanted(moved), reports(one))
    assert found.swap is not None
    assert (found.swap.current, found.swap.pending) == (one.current, None)
    assert found.swap.members[0].url == moved[0].url


def test_quorums_alone_are_a_transition_of_every_partition() -> None:
    one = ring(3)
    found = step(one, wanted(THREE, 3, 3), reports(one))
    assert found.swap is not None
    assert changed(found.swap) == tuple(range(len(one.current)))


def test_how_far_it_is() -> None:
    assert moving(ring(3), {}) is None
    found = moving(COPYING, {})
    assert found is not None
    assert (found.percent, found.joining, found.leaving) == (0, ("node-3", "node-4"), ())
    everybody = {m.key: 4096 for m in COPYING.members}
    done = moving(COPYING, everybody)
    assert done is not None
    assert done.percent == 100
    assert "node-3 joins" in done.sentence


def carried_out(of: Ring, found: Step) -> tuple[Ring, dict[str, Report]]:
    """A world in which what a step asks for happens at once, and who left is blank again."""
    now = found.swap or of
    return now, {m.key: Report(now.epoch, proofs=proofs(now)) for m in now.members}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_I6_I11_any_wanted_state_is_reached_by_epochs_of_one_and_then_nothing_is_written(  # noqa: N802
    first: int, second: int, third: int, replication: int
) -> None:
    """Minds change half-way; in the end the same state again makes nothing be written."""
    one = ring(first, replication, 1)
    blank = {m.key: Report(0, blank=True) for m in members(6)}
    answers = {**blank, **{m.key: Report(1) for m in one.members}}
    for goal, most in ((second, 2), (third, 20)):
        for _ in range(most):
            found = step(one, wanted(members(goal), replication, 1), answers)
            if found.swap is not None:
                assert found.swap.epoch == one.epoch + 1
            one, fresh = carried_out(one, found)
            answers = {**blank, **fresh}
            if found.phase is Phase.STABLE:
                break
    assert found.phase is Phase.STABLE, found.why
    assert {m.name for m in one.members} == {m.name for m in members(third)}
    again = step(one, wanted(members(third), replication, 1), answers)
    assert again.swap is None


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from([m.key for m in COPYING.members])))
def test_I10_silence_is_never_progress(silent: set[str]) -> None:  # noqa: N802
    """Whoever falls silent, the step is never further than when all answered."""
    answers = {k: r for k, r in proved(COPYING).items() if k not in silent}
    found = step(COPYING, wanted(FIVE), answers)
    owners = {k for p in changed(COPYING) for k in (COPYING.pending or COPYING.current)[p]}
    if silent & owners:
        assert found.phase in (Phase.COPY, Phase.BLOCKED)
    assert step(COPYING, wanted(FIVE), {}).phase is Phase.BLOCKED
