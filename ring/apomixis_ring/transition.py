"""The transition: from (ring, wanted members, reports) to the next step, with one sentence why.

                 wanted ≠ current               proved                  adopted
     Stable(E) ────────────────► Copying(E+1) ────────► Committed(E+2) ────────► Stable(E+2)
        ▲       propose          │     ▲        commit                  retire, clean
        └──────── abort ─────────┘     └── wanted changed again: new pending, epoch + 1

`step` looks at what is there now and remembers nothing, so that whoever carries it out may die
after any act, and two may do it at once: every change of the ring is a compare-and-swap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache

from .model import Member, Ring, Table, name_of
from .placement import place
from .proof import Proof, sources_needed, unproved

NAMED = 5  # members named in a sentence


@dataclass(frozen=True, slots=True)
class Wanted:
    """The members that should own everything, how many copies, and W."""

    members: tuple[Member, ...]
    replication: int
    write_quorum: int


@dataclass(frozen=True, slots=True)
class Report:
    """What one member says of itself now. A member that is silent has none.

    `epoch` is what it acknowledged, behind its barrier; `proofs` are by partition, and count only
    at the ring's epoch. `leftovers` counts copies that it does not own, None where not known yet.
    `retired`: not a member any more, and every owner has all that it holds. `blank`: its volume
    was never a member's.
    """

    epoch: int
    blank: bool = False
    proofs: Mapping[int, Proof] = field(default_factory=dict)
    leftovers: int | None = 0
    retired: bool = False


class Phase(Enum):
    """Where the protocol stands."""

    STABLE = "Stable"
    PROPOSE = "Proposing"
    PUBLISH = "Publishing"
    COPY = "Copying"
    COMMIT = "Committing"
    ABORT = "Aborting"
    ADOPT = "Adopting"
    RETIRE = "Retiring"
    CLEAN = "Cleaning"
    BLOCKED = "Blocked"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next, and why.

    `swap` is the ring to write in place of the one given, by compare-and-swap; else `members` are
    those (keys) that the phase is about: to be given the ring, to sync, to hand over, to clean up.
    `done` of `total` partitions are through this phase.
    """

    phase: Phase
    why: str
    swap: Ring | None = None
    members: tuple[str, ...] = ()
    done: int = 0
    total: int = 0


def target(ring: Ring, wanted: Wanted) -> Table:
    """The table that `wanted` asks for, coming from the current one."""
    return _target(ring.current, wanted)


@lru_cache(maxsize=32)
def _target(current: Table, wanted: Wanted) -> Table:
    """Remembered, for whoever carries a transition out asks for it at every look."""
    return place(
        wanted.members,
        wanted.replication,
        current,
        write_quorum=wanted.write_quorum,
        partitions=len(current),
    )


def joinable(ring: Ring, wanted: Wanted, reports: Mapping[str, Report]) -> Wanted:
    """`wanted` without volumes that have left the ring: tombstones did not wait for them.

    Such a node hands over what is its owners', sets the rest aside, and comes back as another
    incarnation.
    """
    members = tuple(m for m in wanted.members if m.key in ring or _is_blank(reports.get(m.key)))
    return replace(wanted, members=members or ring.members)


def _is_blank(report: Report | None) -> bool:
    return report is not None and report.blank


def changed(ring: Ring) -> tuple[int, ...]:
    """The partitions whose set of owners, or whose quorums, a pending table changes."""
    if ring.pending is None:
        return ()
    now, then = ring.current, ring.pending
    quorums = (now.replication, now.write_quorum) != (then.replication, then.write_quorum)
    return tuple(p for p in range(len(now)) if quorums or set(now[p]) != set(then[p]))


def step(
    ring: Ring,
    wanted: Wanted,
    reports: Mapping[str, Report],
    lost: Collection[str] = (),
    goal: Table | None = None,
) -> Step:
    """The next step of the protocol.

    `reports` by member key, of members and of leaving nodes; silence is absence. `lost` are
    members whose loss was accepted, once they were fenced. `goal` is the table to end at, by
    default `target(ring, …)` of the members that are `joinable`.
    """
    wanted = joinable(ring, wanted, reports)
    goal = goal or target(ring, wanted)
    if ring.pending is None:
        if goal != ring.current:
            why = f"{_moved(ring.current, goal)} copies have to move to the members wanted now."
            return Step(Phase.PROPOSE, why, _with_pending(ring, wanted, goal))
        return _after_commit(ring, wanted, reports)
    if goal == ring.current:
        why = "The members wanted are the current ones again."
        return Step(Phase.ABORT, why, _settled(ring, wanted, ring.current))
    if goal != ring.pending:
        why = "Other members are wanted than those that copies are moving to."
        return Step(Phase.PROPOSE, why, _with_pending(ring, wanted, goal))
    return _towards_commit(ring, wanted, reports, lost)


def copying(ring: Ring, reports: Mapping[str, Report], lost: Collection[str] = ()) -> Step | None:
    """Who has still to copy and prove what is pending; None when all is proved."""
    return _unproved(ring, changed(ring), reports, lost)


def _towards_commit(
    ring: Ring, wanted: Wanted, reports: Mapping[str, Report], lost: Collection[str]
) -> Step:
    moving = changed(ring)
    if blocked := _blocked(ring, moving, reports, lost):
        return blocked
    behind = tuple(k for k, report in reports.items() if k in ring and report.epoch != ring.epoch)
    if behind:
        why = f"Epoch {ring.epoch} is not acknowledged by {_names(behind)}."
        return Step(Phase.PUBLISH, why, members=behind)
    if copying := _unproved(ring, moving, reports, lost):
        return copying
    assert ring.pending is not None  # noqa: S101  the caller looked
    why = f"All {len(moving)} changed partitions are proved by all their new owners."
    return Step(Phase.COMMIT, why, _settled(ring, wanted, ring.pending))


def _blocked(
    ring: Ring, moving: Collection[int], reports: Mapping[str, Report], lost: Collection[str]
) -> Step | None:
    """Too few current owners of some changed partition answer: nothing can be proved."""
    stuck: list[int] = []
    silent: dict[str, None] = {}
    for p in moving:
        owners = [key for key in ring.current[p] if key not in lost]
        if sum(key in reports for key in owners) < sources_needed(ring, p, lost):
            stuck.append(p)
            silent |= dict.fromkeys(key for key in owners if key not in reports)
    if not stuck:
        return None
    why = (
        f"SourceUnavailable: {_names(tuple(silent))} must answer before {len(stuck)} partitions "
        "can be copied; bring it back, or accept its loss."
    )
    return Step(Phase.BLOCKED, why, members=tuple(silent), total=len(stuck))


def _unproved(
    ring: Ring, moving: Collection[int], reports: Mapping[str, Report], lost: Collection[str]
) -> Step | None:
    """Some pending owner has still to prove a changed partition."""
    left = 0
    lacking: dict[str, None] = {}
    for p in moving:
        proofs = {key: r.proofs[p] for key, r in reports.items() if p in r.proofs}
        missing = unproved(ring, p, proofs, reports.keys(), lost)
        left += bool(missing)
        lacking |= dict.fromkeys(missing)
    if not left:
        return None
    done, total = len(moving) - left, len(moving)
    silent = tuple(key for key in lacking if key not in reports)
    why = f"{done} of {total} changed partitions are proved by their new owners"
    why += f"; {_names(silent)} must answer." if silent else "."
    return Step(Phase.COPY, why, members=tuple(lacking), done=done, total=total)


def _after_commit(ring: Ring, wanted: Wanted, reports: Mapping[str, Report]) -> Step:
    members = _merged(ring, wanted, ring.current)
    if members != ring.members:
        why = "Addresses, zones or weights of members changed; their copies stay where they are."
        return Step(Phase.PROPOSE, why, replace(ring, epoch=ring.epoch + 1, members=members))
    if waiting := _not_adopted(ring, reports):
        return waiting
    others = {k: r for k, r in reports.items() if k not in ring and not r.blank}
    leaving = tuple(k for k, r in others.items() if not r.retired)
    if leaving:
        why = f"{_names(leaving)} leaves, and hands over whatever the owners lack."
        return Step(Phase.RETIRE, why, members=leaving)
    unclean = tuple(k for k, r in reports.items() if k in ring and r.leftovers != 0)
    if unclean:
        why = f"{_names(unclean)} drops copies that all owners have proved to hold."
        return Step(Phase.CLEAN, why, members=unclean)
    return Step(Phase.STABLE, f"{len(ring.members)} members own everything at epoch {ring.epoch}.")


def _not_adopted(ring: Ring, reports: Mapping[str, Report]) -> Step | None:
    """R of the owners of every partition, and all that can be asked, must know the ring."""
    heard = {k: r for k, r in reports.items() if k in ring or not r.blank}
    behind = tuple(k for k, report in heard.items() if report.epoch != ring.epoch)
    if behind:
        why = f"Epoch {ring.epoch} is not acknowledged by {_names(behind)}."
        return Step(Phase.ADOPT, why, members=behind)
    short = [
        p
        for p, row in enumerate(ring.current)
        if sum(key in reports for key in row) < ring.current.read_quorum_of(p)
    ]
    if not short:
        return None
    silent = tuple({k: None for p in short for k in ring.current[p] if k not in reports})
    why = f"{_names(silent)} must answer before epoch {ring.epoch} is known to be adopted."
    return Step(Phase.ADOPT, why, members=silent, total=len(short))


def _with_pending(ring: Ring, wanted: Wanted, goal: Table) -> Ring:
    members = _merged(ring, wanted, ring.current, goal)
    return replace(ring, epoch=ring.epoch + 1, members=members, pending=goal)


def _settled(ring: Ring, wanted: Wanted, table: Table) -> Ring:
    members = _merged(ring, wanted, table)
    return replace(ring, epoch=ring.epoch + 1, members=members, current=table, pending=None)


def _merged(ring: Ring, wanted: Wanted, *tables: Table) -> tuple[Member, ...]:
    """The members wanted, and whoever else owns something in these tables; by name."""
    owners = {key for table in tables for row in table for key in row}
    known = {m.key: m for m in ring.members if m.key in owners}
    known |= {m.key: m for m in wanted.members}
    return tuple(sorted(known.values(), key=lambda m: (len(m.name), m.name, m.incarnation)))


def _moved(now: Table, then: Table) -> int:
    return sum(len(set(b) - set(a)) for a, b in zip(now, then, strict=True))


def _names(keys: tuple[str, ...]) -> str:
    names = [name_of(key) for key in keys[:NAMED]]
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return ", ".join(names) + more
