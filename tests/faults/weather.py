"""Cut links, a slow network, a full volume: each begins when it is asked for, and ends likewise."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

from faults.network import Network

IMAGES = "images"  # the folder of `apomixis up`
SMALL = "node-0"  # the node whose volume is so small that it can be filled
SMALL_BYTES = 48 * 1024 * 1024


class Weather:
    """Of one history, in the namespace of this process."""

    def __init__(self, folder: Path) -> None:
        self._network = Network()
        self._network.mount(folder / IMAGES / SMALL, SMALL_BYTES)
        self._ballast = folder / IMAGES / SMALL / "ballast"
        self._cut = self._slow = False

    def cut(self, dice: Random, nodes: Mapping[str, str]) -> str:
        """Between two nodes, or around one; `nodes` are their addresses by name."""
        if self._cut:
            return self.mend()
        name, *others = dice.sample(sorted(nodes), len(nodes))
        far = others if dice.random() < 0.5 else others[:1]
        self._network.cut(nodes[name], [nodes[other] for other in far])
        self._cut = True
        return f"{name} is cut off from {', '.join(far)}"

    def slow(self) -> str:
        """For all."""
        if self._slow:
            return self.mend()
        self._slow = True
        return f"the network is slow: {self._network.slow()}"

    def fill(self) -> str:
        """One volume, to the last byte."""
        if self._ballast.exists():
            self._ballast.unlink()
            return f"the volume of {SMALL} has room again"
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))
        return f"the volume of {SMALL} is full"

    def mend(self) -> str:
        """All is well."""
        self._network.mend()
        self._network.fast()
        self._cut = self._slow = False
        self._ballast.unlink(missing_ok=True)
        return "the network is well, and there is room"
