"""Directed histories: dangers that random weather meets too seldom, each in a few steps.

Each builds a cluster in one partition, leads it to the edge, and checks what the rules must forbid.
With the rule weakened (see `test_directed.py`) a Violation is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from apomixis_ring import transition
from apomixis_ring.marks import Mark
from apomixis_ring.model import Ring, Table
from apomixis_ring.transition import Report, Wanted
from simulation import actions, scrub
from simulation.engine import Effect, Procedure, Until
from simulation.node import Node
from simulation.world import Violation, World

ID = "000a"


class Stage:
    """Nodes by letters, rings by hand, and one procedure at a time."""

    def __init__(self, names: str, owners: str, write_quorum: int) -> None:
        self.world = World(0, [""] * len(names), 1, 1, partitions=1, loss=0.0)
        self.world.engine.doubling = self.world.engine.late = 0.0
        self.nodes = dict(zip(names, self.world.nodes.values(), strict=True))
        table = self.table(owners, write_quorum)
        members = tuple(node.member for node in self.nodes.values())
        self.world.register = Ring("simulation", 1, members, table)
        for node in self.nodes.values():
            node.disk.ring = self.world.register
            node.knowledge.began_blank(self.world.register)

    def table(self, owners: str, write_quorum: int) -> Table:
        """One partition, owned by these."""
        return Table(len(owners), write_quorum, (tuple(self.nodes[o].key for o in owners),))

    def node(self, name: str) -> Node:
        """The node with that letter."""
        return self.nodes[name]

    def do(self, name: str, procedure: Procedure) -> Any:
        """Run a procedure of a node to its end, everything else going on meanwhile."""
        done: list[Any] = []
        self.world.engine.start(self.nodes[name].name, procedure, then=done.append)
        for _ in range(5000):
            if done:
                return done[0]
            self.world.engine.step()
            self.world.check()
        raise AssertionError("a directed history does not end")

    def settle(self) -> None:
        """Let everything that can happen happen."""
        for _ in range(2000):
            if not self.world.engine.step():
                return
            self.world.check()

    def adopt(self, ring: Ring, names: str) -> None:
        """These adopt a ring, however long their barrier takes."""
        for name in names:
            self.world.engine.start(self.nodes[name].name, self.nodes[name].adopt(ring))
        self.settle()

    def propose(self, owners: str, write_quorum: int) -> Ring:
        """The next epoch, with a pending table."""
        now = self.world.register
        ring = replace(now, epoch=now.epoch + 1, pending=self.table(owners, write_quorum))
        assert self.world.swap(now.epoch, ring)
        return ring

    def commit(self, reporting: str, lost: tuple[str, ...] = ()) -> Ring | None:
        """The commit, if the protocol allows it with these members answering; else None."""
        ring = self.world.register
        assert ring.pending is not None
        reports = {
            self.nodes[n].key: Report(ring.epoch, proofs=dict(self.nodes[n].knowledge.proofs))
            for n in reporting
        }
        keys = {k for row in ring.pending for k in row}
        members = tuple(m for m in ring.members if m.key in keys)
        table = ring.pending
        wanted = Wanted(members, table.replication, table.write_quorum)
        step = transition.step(ring, wanted, reports, lost, goal=table)
        if step.swap is None:
            return None
        swap = replace(step.swap, members=ring.members)
        assert self.world.swap(ring.epoch, swap)
        return swap

    def cut(self, here: str, there: str) -> None:
        """No message passes between these."""
        for a in here:
            for b in there:
                self.world.engine.cuts.add(frozenset((self.nodes[a].name, self.nodes[b].name)))

    def stall(self) -> Callable[[], None]:
        """From now on disks wait, until what is returned is called."""
        waiting = [True]

        def dawdle() -> Generator[Effect, Any, None]:
            yield Until(lambda: not waiting[0])

        self.world.dawdle = dawdle  # type: ignore[method-assign]

        def go_on() -> None:
            waiting[0] = False

        return go_on


def reader_has_not_heard_of_the_commit() -> None:
    """404 must ask both tables: only a new owner has what was uploaded after the commit."""
    stage = Stage("AB", owners="A", write_quorum=1)
    stage.adopt(stage.propose("B", 1), "AB")
    stage.do("B", stage.node("B").sync(0))
    committed = stage.commit("AB")
    assert committed is not None
    stage.cut("A", "B")
    stage.adopt(committed, "B")
    assert stage.do("B", actions.upload(stage.node("B"), ID))
    stage.do("A", actions.read(stage.node("A"), ID))


def two_owners_were_cut_off_with_the_reader() -> None:
    """404 needs max(W, R): with W = 3 one owner is a read quorum, and it may have been left."""
    stage = Stage("ABCDE", owners="ABC", write_quorum=3)
    stage.cut("BC", "ADE")
    stage.adopt(stage.propose("ADE", 2), "ADE")
    for name in "ADE":
        stage.do(name, stage.node(name).sync(0))
    committed = stage.commit("ADE")
    assert committed is not None
    stage.adopt(committed, "ADE")
    stage.node("A").crash()
    assert stage.do("D", actions.upload(stage.node("D"), ID))
    stage.do("B", actions.read(stage.node("B"), ID))


def drop_outlives_its_epoch() -> None:
    """A drop begun before this node became an owner must not happen afterwards."""
    stage = Stage("AB", owners="B", write_quorum=1)
    assert stage.do("B", actions.upload(stage.node("B"), ID))
    mark = stage.node("B").disk.marks[ID]
    stage.node("A").disk.write(ID, mark)
    stage.node("A").disk.fsync(ID)
    go_on = stage.stall()
    ring = stage.world.register
    node = stage.node("A")
    stage.world.engine.start(node.name, scrub.clear(node, ring, ID, mark))
    stage.settle()
    stage.adopt(stage.propose("A", 1), "AB")
    stage.world.engine.start(node.name, node.sync(0))
    stage.settle()
    if stage.commit("AB") is not None:
        go_on()
        stage.settle()


def write_outlives_its_epoch() -> None:
    """A write begun under the old ring must not be acknowledged once the new one is proved."""
    stage = Stage("AB", owners="B", write_quorum=1)
    go_on = stage.stall()
    node = stage.node("B")
    stage.world.engine.start(node.name, actions.upload(node, ID))
    stage.settle()
    stage.adopt(stage.propose("A", 1), "AB")
    stage.world.engine.start("node-0", stage.node("A").sync(0))
    stage.settle()
    if stage.commit("AB") is not None:
        go_on()
        stage.settle()


def quarantine_is_no_absence() -> None:
    """A copy in quarantine was promised: its node can't say no."""
    stage = Stage("ABC", owners="ABC", write_quorum=2)
    stage.cut("C", "AB")
    assert stage.do("A", actions.upload(stage.node("A"), ID))
    stage.settle()
    stage.world.engine.cuts.clear()
    disk = stage.node("A").disk
    mark = disk.marks[ID]
    disk.unlink(ID)
    disk.quarantined[ID] = mark
    stage.cut("B", "AC")
    stage.do("C", actions.read(stage.node("C"), ID))


def late_write_after_the_tombstone_is_gone() -> None:
    """A retry that was under way for longer than tombstones live must be refused."""
    stage = Stage("AB", owners="AB", write_quorum=1)
    world = stage.world
    old = Mark(stage.node("A").clock)
    assert stage.do("A", actions.upload(stage.node("A"), ID))
    stage.settle()
    assert stage.do("A", actions.delete(stage.node("A"), ID))
    stage.settle()
    world.engine.now += 2 * world.keep_ms
    for name in "ABAB":
        stage.do(name, scrub.verify(stage.node(name)))
    assert ID not in stage.node("A").disk.marks, "the tombstone has expired"
    ring, b = world.register, stage.node("B")
    stage.do("A", stage.node("A").call(ring.member(b.key), "put", id=ID, mark=old))
    if ID in b.disk.marks and not b.disk.marks[ID].deleted:
        raise Violation("I9: a deleted image is there again")


def too_few_sources() -> None:
    """R current owners must be asked: the one that is left may be the one that was passed over."""
    stage = Stage("ABCDE", owners="ABC", write_quorum=2)
    stage.cut("C", "AB")
    assert stage.do("A", actions.upload(stage.node("A"), ID))
    stage.settle()
    stage.world.engine.cuts.clear()
    stage.node("A").crash()
    stage.node("B").crash()
    stage.adopt(stage.propose("CDE", 2), "CDE")
    for name in "CDE":
        stage.do(name, stage.node(name).sync(0))
    stage.commit("CDE")
