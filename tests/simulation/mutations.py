"""Deliberate weakenings of the rules: the checks must see each of them.

Each replaces a rule where the simulated nodes and operators look it up, and says within how many
seeded histories it is caught.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from apomixis_ring import answers, epochs, knowledge, marks, proof, quorum, transition
from apomixis_ring.epochs import Hearing
from apomixis_ring.quorum import Decision
from simulation.disk import Disk
from simulation.engine import OK, Reply
from simulation.faults import Scene
from simulation.node import Node

if TYPE_CHECKING:
    from apomixis_ring.marks import Mark
    from apomixis_ring.model import Ring, Table

YES = Decision(True, "weakened")


@dataclass(frozen=True)
class Mutation:
    """`patches` are (object, attribute, replacement); caught in one of `within` seeds from
    `first` on, in `scene`, or in any weather."""

    name: str
    patches: tuple[tuple[object, str, Any], ...]
    scene: Scene | None = None
    first: int = 0
    within: int = 100

    @contextmanager
    def on(self) -> Iterator[None]:
        """The world with this weakening."""
        with ExitStack() as stack:
            for thing, attribute, other in self.patches:
                stack.enter_context(patch.object(thing, attribute, other))
            yield


def _fewer(table: Table) -> Table:
    return replace(table, write_quorum=max(1, table.write_quorum - 1))


def _weaker(ring: Ring) -> Ring:
    pending = _fewer(ring.pending) if ring.pending else None
    return replace(ring, current=_fewer(ring.current), pending=pending)


def _only_current(ring: Ring) -> Ring:
    return replace(ring, pending=None)


_acknowledged, _read, _certain = quorum.acknowledged, quorum.read, quorum.certain
_unproved, _may_drop, _may_unlink = proof.unproved, proof.may_drop, epochs.may_unlink
_answer, _changed, _write = answers.answer, transition.changed, Disk.write
_node_write, _set_aside = Node.write, Disk.set_aside


def _gaining_only(ring: Ring, index: int, *rest: Any) -> tuple[str, ...]:
    return tuple(k for k in _unproved(ring, index, *rest) if k not in ring.current[index])


def _keeps_stamp(disk: Disk, image_id: str, mark: Mark) -> None:
    known = disk.marks.get(image_id)
    same = known is not None and not known.deleted and not mark.deleted
    _write(disk, image_id, known if same and known else mark)


def _says_ok(node: Node, *arguments: Any) -> Any:
    reply: Reply = yield from _node_write(node, *arguments)
    return OK if reply.code == "newer" else reply


def _not_set_aside(disk: Disk, incarnation: str) -> None:
    disk.incarnation, disk.blank = incarnation, True


def _same_incarnation(disk: Disk, incarnation: str) -> None:
    del incarnation
    _set_aside(disk, disk.incarnation)


def _certain_one_less(ring: Ring, image_id: str, heard: Any) -> Any:
    with patch.object(quorum, "certain", lambda t, i: t.read_quorum_of(i) - 1):
        return _read(ring, image_id, heard)


def _accept_old(here: int, called: int) -> Hearing:
    return Hearing.CALLER_AHEAD if called > here else Hearing.SAME


# Histories that look closely at one danger each.
HIDDEN = Scene(
    {"hide": 4, "mend": 2, "scale": 6},
    {"upload": 6, "read": 6},
    nodes=2,
    replication=1,
    sizes=(1, 2, 3),
    fault_rate=0.012,
    load_rate=0.1,
    events=2000,
)
SPLIT = Scene(
    {"split": 4, "mend": 2, "scale": 5},
    {"upload": 6, "read": 8},
    nodes=3,
    replication=3,
    write_quorum=3,
    sizes=(3, 5, 6),
    fault_rate=0.01,
    load_rate=0.08,
    events=2500,
)
TURNED = Scene(
    {"scale": 8, "crash": 1, "boot": 3, "cut": 2, "mend": 2},
    {"upload": 8, "verify": 6},
    nodes=2,
    replication=2,
    write_quorum=1,
    sizes=(2, 3),
    fault_rate=0.02,
    load_rate=0.15,
    loss=0.15,
)
SHUFFLED = Scene(
    {"scale": 1},
    {"upload": 3, "verify": 3},
    nodes=2,
    replication=1,
    sizes=(2, 3),
    fault_rate=0.006,
    load_rate=0.06,
    events=3000,
    stalls=0.1,
)
ROT = Scene(
    {"rot": 6, "crash": 3, "boot": 4, "cut": 3, "mend": 2},
    {"upload": 3, "verify": 5, "read": 8},
    nodes=3,
    replication=3,
    write_quorum=2,
    ids=("000a",),
    load_rate=0.2,
)
RETURN = Scene(
    {"crash": 4, "boot_alone": 5, "mend": 2},
    {"upload": 3, "delete": 3, "read": 8},
    nodes=3,
    replication=3,
    write_quorum=2,
    ids=("000a", "001a"),
    load_rate=0.2,
)
LATER = Scene(
    {"later": 4, "crash": 2, "boot": 3, "mend": 2},
    {"upload": 3, "delete": 3, "read": 2, "verify": 2},
    nodes=3,
    replication=2,
    sizes=(2, 3),
    ids=("000a",),
    fault_rate=0.02,
    holding=0.08,
)
LEFT = Scene(
    {"scale": 6, "crash": 3, "boot": 4, "later": 3},
    {"upload": 3, "delete": 3, "read": 2, "verify": 3},
    nodes=3,
    replication=2,
    write_quorum=1,
    sizes=(2, 3),
    ids=("000a", "001a", "002a"),
    fault_rate=0.012,
    load_rate=0.1,
    events=3000,
)
FEW_COPIES = replace(RETURN, write_quorum=1)
LOSSY = replace(TURNED, faults={"scale": 8, "crash": 2, "boot": 3}, loss=0.3)

MUTATIONS = (
    Mutation("commit without proof", ((transition, "unproved", lambda *_: ()),)),
    Mutation(
        "acknowledge on W - 1",
        ((quorum, "acknowledged", lambda r, i, h: _acknowledged(_weaker(r), i, h)),),
    ),
    Mutation(
        "clean while pending",
        (
            (proof, "may_drop", lambda r, *a: _may_drop(_only_current(r), *a)),
            (epochs, "may_unlink", lambda r, *a: _may_unlink(_only_current(r), *a)),
        ),
    ),
    Mutation("no new stamp for bytes already there", ((Disk, "write", _keeps_stamp),)),
    Mutation(
        "proof by gaining owners only",
        ((transition, "unproved", _gaining_only),),
        first=500,
        within=600,
    ),
    Mutation(
        "acknowledge on the current table only",
        ((quorum, "acknowledged", lambda r, i, h: _acknowledged(_only_current(r), i, h)),),
    ),
    Mutation(
        "older epoch accepted",
        ((epochs, "hear", _accept_old), (epochs, "may_finish", lambda *_: True)),
        HIDDEN,
        first=60,
        within=300,
    ),
    Mutation("wrong incarnation accepted", ((epochs, "is_meant", lambda *_: True),)),
    Mutation("delete by W where W < R", ((quorum, "deleted", _acknowledged),), scene=FEW_COPIES),
    Mutation("404 at R - 1", ((quorum, "read", _certain_one_less),)),
    Mutation("a blank volume keeps its incarnation", ((Disk, "set_aside", _same_incarnation),)),
    Mutation(
        "tombstones expire by age only",
        ((proof, "may_expire", lambda r, m, age, keep, _: Decision(age >= keep, "")),),
        LATER,
        first=60,
        within=300,
    ),
    Mutation("no going round under skew", ((Node, "write", _says_ok),)),
    Mutation(
        "an equal stamp resurrects", ((marks, "wins", lambda k, s: k is not None and k.stamp > s),)
    ),
    Mutation(
        "drop on belief",
        (
            (
                proof,
                "may_drop",
                lambda r, i, me, *_: Decision(r.pending is None and me not in r.current[i], ""),
            ),
        ),
        scene=LOSSY,
        first=20,
        within=300,
    ),
    Mutation("no former/", ((Disk, "set_aside", _not_set_aside),), LEFT, first=70, within=300),
    Mutation(
        "catch-up skipped",
        ((knowledge, "caught_up", lambda *_: True),),
        RETURN,
        first=140,
        within=600,
    ),
    Mutation(
        "ready before enough owners were heard",
        ((knowledge, "may_answer", lambda *_: True),),
        RETURN,
        first=140,
        within=600,
    ),
    Mutation(
        "W changed without a transition",
        (
            (
                transition,
                "changed",
                lambda r: tuple(
                    p for p in _changed(r) if r.pending and set(r.current[p]) != set(r.pending[p])
                ),
            ),
        ),
        first=500,
        within=600,
    ),
)
