"""What goes wrong in a simulated cluster, and what people do to it, as a scene weighs it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation import operator, scrub

if TYPE_CHECKING:
    from simulation.node import Node
    from simulation.world import World

IDS = ("000a", "000b", "001a", "002a")
PARTITIONS = 4
EVENTS = 900
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


def weather(dice: random.Random) -> Scene:
    """Every seed has its own: some faults often, some never."""
    faults = {kind: weight * dice.choice((0, 1, 1, 4)) for kind, weight in FAULTS.items()}
    load = {kind: weight * dice.choice((1, 1, 3)) for kind, weight in LOAD.items()}
    return Scene({**faults, "mend": faults["mend"] + 1}, load, fault_rate=0.02)


class Faults:
    """One method a kind; `fault()` draws one."""

    dice: random.Random
    world: World
    scene: Scene
    zones: list[str]
    operators: int

    def node(self) -> Node | None:
        """Any node that runs and has a ring."""
        alive = [n for n in self.world.nodes.values() if n.alive and n.ring is not None]
        return self.dice.choice(alive) if alive else None

    def operator(self) -> None:
        """Start one more operator."""
        self.operators += 1
        name = f"operator-{self.operators}"
        self.world.engine.start(name, operator.operate(self.world, name))

    def fault(self) -> None:
        kind = self.dice.choices(tuple(self.scene.faults), tuple(self.scene.faults.values()))[0]
        getattr(self, kind if kind == "mend" else f"_{kind}")()

    def _crash(self) -> None:
        if (node := self.node()) is not None:
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

    def mend(self) -> None:
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
        self.operator()

    def _wipe(self) -> None:
        node = self.node()
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
        node = self.node()
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
