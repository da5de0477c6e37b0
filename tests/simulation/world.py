"""The simulated cluster: nodes at addresses, the ring's register, and what must never happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apomixis_ring.marks import Mark
from apomixis_ring.model import Ring
from apomixis_ring.placement import place
from simulation.disk import Disk
from simulation.engine import Engine, Pause, Procedure, Reply, Request
from simulation.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.body import Body


class Violation(AssertionError):  # noqa: N818
    """An invariant, by name, that did not hold."""


@dataclass(frozen=True, slots=True)
class Ack:
    """An acknowledged upload or delete."""

    stamp: int
    epoch: int
    at: int  # number of the event


@dataclass
class Record:
    """What clients were told of one id, and what they tried."""

    uploads: list[Ack] = field(default_factory=list)
    deletes: list[Ack] = field(default_factory=list)
    tried_uploads: list[int] = field(default_factory=list)
    tried_deletes: list[int] = field(default_factory=list)

    def promised(self) -> Ack | None:
        """The newest acknowledged upload that no delete, however it ended, may have undone."""
        newest = max(self.uploads, key=lambda a: a.stamp, default=None)
        if newest is None or any(stamp >= newest.stamp for stamp in self.tried_deletes):
            return None
        return newest


class World:
    """Everything there is, and the checks after every event."""

    def __init__(
        self,
        seed: int,
        zones: list[str],
        replication: int,
        write_quorum: int,
        *,
        partitions: int,
        keep_ms: int = 20_000,
        loss: float = 0.02,
    ) -> None:
        self.engine = Engine(seed, loss=loss, doubling=0.02, late=0.02)
        self.engine.deliver = self._deliver
        self.keep_ms = keep_ms
        self.nodes: dict[str, Node] = {}
        self.stalls = 0.0
        self.attic: dict[str, Node] = {}  # volumes of nodes that have left
        self.lost: set[str] = set()
        self.accepted_loss: set[str] = set()
        self.risked: set[str] = set()  # ids of which an accepted loss may have been the last copy
        self.records: dict[str, Record] = {}
        self.replication, self.write_quorum = replication, write_quorum
        self.wanted_names = [f"node-{i}" for i in range(len(zones))]
        self.incarnations = 0
        self.events = 0
        for name, zone in zip(self.wanted_names, zones, strict=True):
            self.add(name, zone)
        members = tuple(node.member for node in self.nodes.values())
        table = place(members, replication, write_quorum=write_quorum, partitions=partitions)
        self.register = Ring("simulation", 1, members, table)
        for node in self.nodes.values():
            node.disk.ring = self.register
            node.disk.seen = self.engine.now
            node.boot(fresh=True)

    def note(self, text: str) -> None:
        """A line of the history."""
        self.engine.note(text)

    def add(self, name: str, zone: str, *, again: bool = False) -> Node:
        """A machine, not running yet; with the volume of one that left, or a blank one."""
        node = self.attic.pop(name, None) if again else None
        node = node or Node(name, zone, Disk(self.new_incarnation()), self)
        self.nodes[name] = node
        return node

    def new_incarnation(self) -> str:
        """An id that was never used."""
        self.incarnations += 1
        return f"i{self.incarnations}"

    def _deliver(self, to: str, request: Request, answer: Callable[[Reply | None], None]) -> bool:
        node = self.nodes.get(to)
        if node is None or not node.alive:
            return False
        self.engine.start(to, node.handle(request), then=answer)
        return True

    def swap(self, epoch: int, ring: Ring) -> bool:
        """Compare-and-swap of the register."""
        if self.register.epoch != epoch:
            return False
        if ring.epoch != epoch + 1:
            raise Violation(f"I6: epoch {epoch} was followed by {ring.epoch}")
        if self.register.pending is not None and ring.current == self.register.pending:
            self._check_commit(self.register)
        self.note(f"ring {ring.epoch}: {'pending' if ring.pending else 'settled'}")
        self.register = ring
        return True

    # ---- checks

    def _check_commit(self, ring: Ring) -> None:
        """I8: every new owner holds all that was acknowledged before this transition."""
        assert ring.pending is not None
        for image_id, record in self.records.items():
            ack = record.promised()
            if ack is None or ack.epoch >= ring.epoch:
                continue
            for key in ring.pending[ring.index(image_id)]:
                if not self.holds(key, image_id, ack.stamp) and not self.forgiven(image_id):
                    raise Violation(f"I8: {key} is trusted with {image_id} and lacks it")

    def by_key(self, key: str) -> Node | None:
        """The node of that incarnation; None if its disk is no more."""
        node = self.nodes.get(key.partition("@")[0])
        return node if node is not None and node.key == key else None

    def holds(self, key: str, image_id: str, stamp: int) -> bool:
        """Whether that member's disk counts as a copy: running or not, or lost and not replaced."""
        node = self.by_key(key)
        if node is None:
            return key in self.lost
        mark = node.disk.kept(image_id)
        return mark is not None and mark.stamp >= stamp

    def forgiven(self, image_id: str) -> bool:
        """Whether a loss that was accepted may have cost this id."""
        return image_id in self.risked

    def check(self) -> None:
        """I1, after every event."""
        self.events += 1
        ring = self.register
        for image_id, record in self.records.items():
            ack = record.promised()
            if ack is None or self.forgiven(image_id):
                continue
            tables = [("current", ring.current)]
            if ring.pending is not None and ack.epoch == ring.epoch:
                tables.append(("pending", ring.pending))
            for name, table in tables:
                index = ring.index(image_id)
                have = sum(self.holds(key, image_id, ack.stamp) for key in table[index])
                if have < min(table.write_quorum_of(index), len(table[index])):
                    raise Violation(
                        f"I1: {image_id} stamp {ack.stamp} is on {have} {name} owners "
                        f"{table[index]} at epoch {ring.epoch}"
                    )

    def check_drain(self, node: Body) -> None:
        """I4: what is set aside is no owner's."""
        if any(node.key in row for row in self.register.current):
            raise Violation(f"I4: {node.key} is drained while it owns something")

    def remove(self, name: str) -> None:
        """Stop a node that has left; its volume is kept."""
        node = self.nodes.pop(name)
        self.check_drain(node)
        node.crash()
        self.attic[name] = node
        self.note(f"{name} is gone")

    def dawdle(self) -> Procedure:
        """A disk takes its time, now and then a lot of it."""
        dice = self.engine.random
        for _ in range(200 if dice.random() < self.stalls else 1):
            yield Pause()

    def dropped(self, node: Body, ring: Ring, image_id: str, mark: Mark) -> None:
        """I2: what step 8 demands, looked at from outside."""
        owners = ring.current[ring.index(image_id)]
        if ring.pending is not None or node.key in owners:
            raise Violation(f"I2: {node.key} drops {image_id} at epoch {ring.epoch}")
        for key in owners:
            if not self.holds(key, image_id, mark.stamp):
                raise Violation(f"I2: {node.key} drops {image_id}, which {key} lacks")
        self.note(f"{node.name} drops {image_id} {mark}")

    def expired(self, node: Body, image_id: str, mark: Mark) -> None:
        """I9: nothing older may be left at any member when a tombstone goes."""
        for member in self.register.members:
            holder = self.by_key(member.key)
            known = holder.disk.marks.get(image_id) if holder else None
            if known is not None and known < mark:
                raise Violation(f"I9: tombstone of {image_id} goes while {member.key} has {known}")
        self.note(f"{node.name} forgets the tombstone of {image_id} {mark}")
