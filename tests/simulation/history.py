"""A history: what clients, faults and people do to a simulated cluster, drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apomixis_ring.quorum import Verdict
from apomixis_ring.transition import Phase
from simulation import actions, operator, scrub
from simulation.faults import IDS, PARTITIONS, Faults, Scene, weather
from simulation.world import Violation, World

if TYPE_CHECKING:
    from simulation.node import Node

CALM_EVENTS = 2_000  # between two looks of the operator
ROUNDS = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """A history that went wrong."""

    seed: int
    violation: str
    log: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"seed {self.seed}", *self.log, self.violation))


def run(seed: int, scene: Scene | None = None) -> Failure | None:
    """One history; None if all invariants held, and all came to rest in the end."""
    history = History(seed, scene)
    try:
        history.play()
        history.heal()
    except Violation as wrong:
        return Failure(seed, str(wrong), tuple(history.world.engine.log))
    return None


class History(Faults):
    """The dice of one seed."""

    def __init__(self, seed: int, scene: Scene | None = None) -> None:
        dice = self.dice = random.Random(f"history {seed}")
        self.scene = scene = scene or weather(dice)
        count = scene.nodes or dice.randint(3, 5)
        zone_count = dice.choice((1, 2, 3))
        self.zones = [f"z{i % zone_count}" for i in range(8)]
        replication = scene.replication or dice.randint(1, 4)
        quorum = scene.write_quorum or dice.randint(1, replication)
        self.world = World(seed, self.zones[:count], replication, quorum, partitions=PARTITIONS)
        engine = self.world.engine
        engine.loss = scene.loss
        self.world.stalls = dice.choice((0.0, 0.02)) if scene.stalls is None else scene.stalls
        engine.holding = dice.choice((0.0, 0.02)) if scene.holding is None else scene.holding
        for node in self.world.nodes.values():
            node.skew = dice.choice((0, 0, 500, -500, 3_000, -3_000))
        self.world.note(f"{count} nodes, {zone_count} zones, r={replication} W={quorum}")
        self.operators = 0
        for _ in range(dice.choice((1, 1, 2))):
            self.operator()

    def play(self) -> None:
        """Load and faults."""
        for _ in range(self.scene.events):
            if self.dice.random() < self.scene.load_rate:
                self._client()
            if self.dice.random() < self.scene.fault_rate:
                self.fault()
            self.world.engine.step()
            self.world.check()

    # ---- load

    def _client(self) -> None:
        node = self.node()
        if node is None:
            return
        image_id = self.dice.choice(self.scene.ids)
        kind = self.dice.choices(tuple(self.scene.load), tuple(self.scene.load.values()))[0]
        procedure = (
            scrub.verify(node) if kind == "verify" else getattr(actions, kind)(node, image_id)
        )
        self.world.engine.start(node.name, procedure)

    # ---- the end

    def heal(self) -> None:
        """Everything works again: the wanted state comes, and all that was promised is there."""
        world = self.world
        world.note("everything heals")
        engine = world.engine
        engine.loss = engine.late = engine.doubling = engine.holding = 0.0
        world.stalls = 0.0
        engine.release()
        self.mend()
        for node in world.nodes.values():
            if not node.alive:
                node.boot()
        if world.wanted_names and self._hopeless():
            return
        self._come_to_rest()
        for node in list(world.nodes.values()):
            for image_id in IDS:
                self._finally(node, image_id)

    def _hopeless(self) -> bool:
        """More disks were lost than the rules can do without: a person must accept the loss."""
        ring = self.world.register
        tables = [ring.current] + ([ring.pending] if ring.pending else [])
        return any(
            sum(self.world.by_key(key) is not None for key in row) < table.read_quorum_of(p)
            for table in tables[:1]
            for p, row in enumerate(table)
        )

    def _come_to_rest(self) -> None:
        world = self.world
        for _ in range(ROUNDS):
            last: list[object] = []
            world.engine.start("observer", operator.once(world, "observer"), then=last.append)
            for _ in range(CALM_EVENTS):
                world.engine.step()
                world.check()
                if last:
                    break
            step = last[0] if last else None
            phase = getattr(step, "phase", None)
            if phase is Phase.STABLE and all(_at_rest(node) for node in world.nodes.values()):
                return
        raise Violation(f"liveness: not at rest, but {last}")

    def _finally(self, node: Node, image_id: str) -> None:
        world = self.world
        record = world.records.get(image_id)
        if record is None or node.ring is None or world.forgiven(image_id):
            return
        promised = record.promised()
        verdict: list[Verdict] = []
        world.engine.start("observer", actions.read(node, image_id), then=verdict.append)
        while not verdict and world.engine.step():
            world.check()
        undone = promised and any(s >= promised.stamp for s in record.tried_deletes)
        if promised is not None and not undone and verdict != [Verdict.FOUND]:
            raise Violation(f"I5: {image_id} is {verdict} at {node.name} in the end")
        last_delete = max((a.stamp for a in record.deletes), default=0)
        held = node.disk.marks.get(image_id)
        if held is not None and not held.deleted and held.stamp <= last_delete:
            raise Violation(f"I9: {image_id} was deleted, and {node.name} holds it in the end")
        if last_delete > max(record.tried_uploads, default=0) and verdict == [Verdict.FOUND]:
            raise Violation(f"I9: {image_id} was deleted, and {node.name} shows it in the end")


def _at_rest(node: Node) -> bool:
    busy = any(node.under_way.values())
    return not busy and (node.ring is None or _caught_up(node))


def _caught_up(node: Node) -> bool:
    return all(node.caught_up(p) for p in range(PARTITIONS))
