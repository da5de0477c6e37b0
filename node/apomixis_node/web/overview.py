"""What the status page says: one sentence first, then the nodes, then the ring.

Pure: made from the JSON of `/api/status`, which is one node's view. A node that does not answer is
*unreachable*: nothing is known of its disk, and nothing is claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apomixis_ring.model import Ring, Table
from apomixis_ring.reading import from_json

ALIVE = "alive"


@dataclass(frozen=True, slots=True)
class Disk:
    """A node's volume, in bytes. `full`: it takes no more originals."""

    total: int
    free: int
    reserve: int
    full: bool

    @property
    def used_percent(self) -> int:
        """Used space in whole per cent of the volume, 0 to 100."""
        return max(0, min(100, round(100 * (1 - self.free / self.total)))) if self.total else 0


@dataclass(frozen=True, slots=True)
class Node:
    """One row of the table. `share` is its part of all copies, in per cent."""

    name: str
    zone: str
    state: str
    epoch: int | None
    url: str
    disk: Disk | None
    share: float
    caught_up: bool
    verified: str

    @property
    def alive(self) -> bool:
        """Whether the node that made this status had an answer from it just now."""
        return self.state == ALIVE


@dataclass(frozen=True, slots=True)
class Overview:
    """A cluster's status. `ring` is None until a ring is adopted; `seen_by` names the node."""

    cluster: str
    seen_by: str
    epoch: int
    nodes: tuple[Node, ...]
    ring: Ring | None
    live_owners: tuple[int, ...]
    transition: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> Overview:
        """The overview of `/api/status`. Raises RingError if its ring is none."""
        ring = from_json(status["ring"]) if status["ring"] else None
        shares = _shares(ring.current) if ring else {}
        alive = [_key(node) for node in status["nodes"] if node["state"] == ALIVE]
        return cls(
            cluster=status["cluster"],
            seen_by=status["self"],
            epoch=status["epoch"],
            nodes=tuple(_node(node, shares) for node in status["nodes"]),
            ring=ring,
            live_owners=_live_owners(ring.current, alive) if ring else (),
            transition=status.get("transition"),
        )

    @property
    def silent(self) -> tuple[Node, ...]:
        """The nodes that are not known to be alive."""
        return tuple(node for node in self.nodes if not node.alive)

    @property
    def behind(self) -> tuple[Node, ...]:
        """Live nodes at another epoch than this one's."""
        return tuple(n for n in self.nodes if n.alive and n.epoch not in (None, self.epoch))

    @property
    def full(self) -> tuple[Node, ...]:
        """Nodes whose disk takes no more originals."""
        return tuple(node for node in self.nodes if node.disk and node.disk.full)

    @property
    def unwritable(self) -> int:
        """How many partitions have too few live owners for an upload to be acknowledged."""
        if self.ring is None:
            return 0
        table = self.ring.current
        return sum(n < table.write_quorum_of(i) for i, n in enumerate(self.live_owners))

    @property
    def unreadable(self) -> int:
        """How many partitions have no live owner at all."""
        return sum(live == 0 for live in self.live_owners)

    @property
    def level(self) -> str:
        """`good`, `warn` (something is wrong, pictures go in and out) or `bad` (some do not)."""
        if self.ring is None or self.unwritable or self.unreadable:
            return "bad"
        return "warn" if self.silent or self.behind or self.full else "good"

    @property
    def sentence(self) -> str:
        """The one sentence to read first."""
        if self.ring is None:
            return f"{self.seen_by} has no ring yet, so it takes no pictures and shows none."
        if not self.silent:
            return f"All {len(self.nodes)} nodes answer." if len(self.nodes) > 1 else "It answers."
        names = _names(self.silent)
        verb = "does" if len(self.silent) == 1 else "do"
        return f"{len(self.silent)} of {len(self.nodes)} nodes {verb} not answer: {names}."

    @property
    def findings(self) -> tuple[str, ...]:
        """What follows for uploads and pictures; nothing where all is well."""
        found = (
            self._reads(),
            self._writes(),
            self._disks(),
            self._epochs(),
            self._catching_up(),
            self.transition["sentence"] if self.transition else "",
        )
        return tuple(filter(None, found))

    def _reads(self) -> str:
        if self.unreadable:
            return f"Pictures of {self._part(self.unreadable)} can't be shown: no owner answers."
        if self.silent and self.ring:
            return (
                f"Every picture can be shown: each has {min(self.live_owners)} or more live owners."
            )
        return ""

    def _writes(self) -> str:
        if self.unwritable:
            return (
                f"Uploads to {self._part(self.unwritable)} get 503: too few owners for the quorum."
            )
        return "Uploads are acknowledged everywhere." if self.silent and self.ring else ""

    def _disks(self) -> str:
        return f"Full, and taking no more originals: {_names(self.full)}." if self.full else ""

    def _catching_up(self) -> str:
        late = [node for node in self.nodes if node.alive and not node.caught_up]
        return f"Catching up with the other owners: {_names(late)}." if late else ""

    def _epochs(self) -> str:
        names = ", ".join(f"{node.name} at {node.epoch}" for node in self.behind)
        return f"Not at epoch {self.epoch}: {names}." if names else ""

    def _part(self, partitions: int) -> str:
        return f"{partitions} of {len(self.live_owners)} partitions"


def _shares(table: Table) -> dict[str, float]:
    copies = Counter(key for row in table for key in row)
    return {key: 100 * count / copies.total() for key, count in copies.items()}


def _live_owners(table: Table, alive: Collection[str]) -> tuple[int, ...]:
    living = frozenset(alive)
    return tuple(sum(key in living for key in row) for row in table)


def _key(node: Mapping[str, Any]) -> str:
    return f"{node['name']}@{node['incarnation']}"


def _node(node: Mapping[str, Any], shares: Mapping[str, float]) -> Node:
    return Node(
        name=node["name"],
        zone=node["zone"],
        state=node["state"],
        epoch=node["epoch"],
        url=node["url"],
        disk=_disk(node.get("disk")),
        share=shares.get(_key(node), 0.0),
        caught_up=bool(node.get("caughtUp", True)),
        verified=_verified(node.get("verify")),
    )


def _verified(verify: Mapping[str, Any] | None) -> str:
    """The scrub in a few words."""
    if not verify:
        return "unknown"
    bad = f", {verify['bad']} bad, {verify['mended']} mended" if verify["bad"] else ""
    if verify["running"]:
        return f"{100 * verify['position'] // verify['partitions']} %{bad}"
    if not verify["finished"]:
        return "never"
    return f"{datetime.fromtimestamp(verify['finished'], UTC):%Y-%m-%d %H:%M}{bad}"


def _disk(disk: Mapping[str, Any] | None) -> Disk | None:
    if disk is None or "total" not in disk:
        return None
    return Disk(disk["total"], disk["free"], disk["reserve"], disk["full"])


def _names(nodes: Sequence[Node]) -> str:
    return ", ".join(node.name for node in nodes)
