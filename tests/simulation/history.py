"""A history: what clients, faults and people do to a simulated cluster, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apomixis_ring.quorum import Verdict
from apomixis_ring.transition import Phase
from simulation import actions, operator, scrub
from simulation.world import Violation, World

if TYPE_CHECKING:
    from simulation.node import Node

IDS = ("000a", "000b", "001a", "002a")
PARTITIONS = 4
EVENTS = 900
CALM_EVENTS = 2_000  # between two looks of the operator
ROUNDS = 300
FAULTS = {
    "crash": 4,
    "boot": 8,
    "boot_alone": 1,
    "cut": 2,
    "split": 2,
    "hide": 1,
    "mend": 5,
    "scale": 4,
    "quorums": 1,
    "operator_dies": 1,
    "wipe": 1,
    "rot": 1,
    "later": 1,
}
LOAD = {"upload": 5, "read": 6, "delete": 2, "verify": 1}


@dataclass(frozen=True, slots=True)
class Scene:
    """A history with its weather given, to look closely at one danger. 0 draws the number."""

    faults: Mapping[str, int]
    load: Mapping[str, int] = field(default_factory=lambda: LOAD)
    nodes: int = 0
    replication: int = 0
    write_quorum: int = 0
    sizes: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    ids: tuple[str, ...] = IDS
    fault_rate: float = 0.03
    load_rate: float = 0.12
    events: int = EVENTS
    stalls: float | None = None
    holding: float | None = None
    loss: float = 0.02


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


def _weather(dice: random.Random) -> Scene:
    """Every seed has its own: some faults often, some never."""
    faults = {kind: weight * dice.choice((0, 1, 1, 4)) for kind, weight in FAULTS.items()}
    load = {kind: weight * dice.choice((1, 1, 3)) for kind, weight in LOAD.items()}
    return Scene({**faults, "mend": faults["mend"] + 1}, load, fault_rate=0.02)


class History:
    """The dice of one seed."""

    def __init__(self, seed: int, scene: Scene | None = None) -> None:
        dice = self.dice = random.Random(f"history {seed}")
        self.scene = scene = scene or _weather(dice)
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
            self._operator()

    def _operator(self) -> None:
        self.operators += 1
        name = f"operator-{self.operators}"
        self.world.engine.start(name, operator.operate(self.world, name))

    def play(self) -> None:
        """Load and faults."""
        for _ in range(self.scene.events):
            if self.dice.random() < self.scene.load_rate:
                self._client()
            if self.dice.random() < self.scene.fault_rate:
                self._fault()
            self.world.engine.step()
            self.world.check()

    # ---- load

    def _node(self) -> Node | None:
        alive = [n for n in self.world.nodes.values() if n.alive and n.ring is not None]
        return self.dice.choice(alive) if alive else None

    def _client(self) -> None:
        node = self._node()
        if node is None:
            return
        image_id = self.dice.choice(self.scene.ids)
        kind = self.dice.choices(tuple(self.scene.load), tuple(self.scene.load.values()))[0]
        procedure = (
            scrub.verify(node) if kind == "verify" else getattr(actions, kind)(node, image_id)
        )
        self.world.engine.start(node.name, procedure)

    # ---- faults

    def _fault(self) -> None:
        kind = self.dice.choices(tuple(self.scene.faults), tuple(self.scene.faults.values()))[0]
        getattr(self, f"_{kind}")()

    def _crash(self) -> None:
        if (node := self._node()) is not None:
            self.world.note(f"{node.name} crashes")
            node.crash()

    def _boot(self) -> None:
        down = [n for n in self.world.nodes.values() if not n.alive]
        if down:
            node = self.dice.choice(down)
            self.world.note(f"{node.name} boots")
            node.boot()

    def _boot_alone(self) -> None:
        """Boot a node that nobody can reach."""
        down = [n for n in self.world.nodes.values() if not n.alive]
        if down:
            node = self.dice.choice(down)
            self._part([node.name], [n for n in self.world.nodes if n != node.name])
            self.world.note(f"{node.name} boots alone")
            node.boot()

    def _cut(self) -> None:
        names = sorted(self.world.nodes)
        operators = [f"operator-{i}" for i in range(1, self.operators + 1)]
        if len(names) > 1:
            one = self.dice.choice(names)
            self._part([one], [self.dice.choice([n for n in names if n != one] + operators)])

    def _split(self) -> None:
        names = sorted(self.world.nodes) + [f"operator-{i + 1}" for i in range(self.operators)]
        few = self.dice.sample(names, min(len(names) - 1, self.dice.randint(1, 3)))
        self._part(few, [n for n in names if n not in few])

    def _hide(self) -> None:
        """Cut one or two nodes from all operators, and from no one else."""
        names = sorted(self.world.nodes)
        hidden = self.dice.sample(names, min(len(names), self.dice.randint(1, 2)))
        self._part(hidden, [f"operator-{i + 1}" for i in range(self.operators)])

    def _part(self, here: list[str], there: list[str]) -> None:
        self.world.engine.cuts |= {frozenset((a, b)) for a in here for b in there}
        self.world.engine.interference += 1
        self.world.note(f"cut {here} from {there}")

    def _mend(self) -> None:
        for pair in sorted(self.world.engine.cuts, key=sorted):
            for name in sorted(pair):
                if (node := self.world.nodes.get(name)) is not None and node.alive:
                    node.cut_off()
        self.world.engine.cuts.clear()
        self.world.note("all links mended")

    def _scale(self) -> None:
        self.scale(self.dice.choice(self.scene.sizes))

    def scale(self, count: int) -> None:
        """So many nodes are wanted; those that are new have blank volumes."""
        world = self.world
        world.wanted_names = [f"node-{i}" for i in range(count)]
        world.note(f"{count} nodes are wanted")
        for i, name in enumerate(world.wanted_names):
            if name not in world.nodes:
                world.add(name, self.zones[i], again=self.dice.random() < 0.5).boot()

    def _quorums(self) -> None:
        world = self.world
        world.replication = self.dice.randint(1, 4)
        world.write_quorum = self.dice.randint(1, world.replication)
        world.note(f"r={world.replication} W={world.write_quorum} are wanted")

    def _operator_dies(self) -> None:
        self.world.engine.kill(f"operator-{self.operators}")
        self._operator()

    def _wipe(self) -> None:
        node = self._node()
        rotten = any(n.disk.rotten or n.disk.quarantined for n in self.world.nodes.values())
        if node is None or rotten:
            return
        self.world.note(f"{node.name} loses its disk")
        node.crash()
        self.world.lost.add(node.key)
        node.disk.set_aside(self.world.new_incarnation())
        node.disk.ring = None

    def _rot(self) -> None:
        """Flip a bit of one copy, where others of that id are whole."""
        node = self._node()
        if node is None or self.world.lost:
            return
        for image_id, mark in sorted(node.disk.marks.items()):
            others = [
                n
                for n in self.world.nodes.values()
                if n is not node
                and n.disk.kept(image_id) == mark
                and image_id not in n.disk.rotten | set(n.disk.quarantined)
            ]
            if others and not mark.deleted and image_id not in node.disk.unsynced:
                self.world.note(f"{image_id} rots on {node.name}")
                node.disk.rotten.add(image_id)
                return

    def _later(self) -> None:
        self.world.engine.now += self.world.keep_ms * 2
        self.world.note("much later")
        if self.dice.random() < 0.5:
            self.world.engine.release()
        for node in self.world.nodes.values():
            if node.alive and self.dice.random() < 0.7:
                self.world.engine.start(node.name, scrub.verify(node))

    # ---- the end

    def heal(self) -> None:
        """Everything works again: the wanted state comes, and all that was promised is there."""
        world = self.world
        world.note("everything heals")
        engine = world.engine
        engine.loss = engine.late = engine.doubling = engine.holding = 0.0
        world.stalls = 0.0
        engine.release()
        self._mend()
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
