"""The ring of `apomixis up`: made once, then kept. Pure decisions, a sentence for each refusal.

Growing, shrinking and repairing change who owns what, and are a transition; here the owners stay
as they are, and only addresses may change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from apomixis_node.cli.processes import ordinal
from apomixis_node.cli.terminal import Failure
from apomixis_ring.model import Member, Ring
from apomixis_ring.placement import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apomixis_node.cli.folder import Folder

DEFAULT_NODES = 3
DEFAULT_REPLICATION = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line; None where nothing was."""

    nodes: int | None = None
    replication: int | None = None
    write_quorum: int | None = None
    zones: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The cluster to run: its nodes, the zones dealt to them in turn, and the quorums."""

    zones: tuple[str, ...]
    replication: int
    write_quorum: int | None
    names: tuple[str, ...]

    def aim(self) -> dict[str, Any]:
        """As it goes to wanted.json."""
        return {
            "nodes": len(self.names),
            "replication": self.replication,
            "write_quorum": self.write_quorum or self.replication // 2 + 1,
            "zones": list(self.zones),
        }

    def zone(self, name: str) -> str:
        """The zone of a node; those that join later are dealt on."""
        return self.zones[ordinal(name) % len(self.zones)]


def shape(wanted: Wanted, kept: Ring | None, before: dict[str, Any]) -> Shape:
    """The cluster that `wanted`, the kept ring and wanted.json (`before`) make together.

    Failure where they disagree.
    """
    if kept is None:
        return _new(wanted)
    count = int(before.get("nodes", len(kept.members)))
    _agree("--nodes", wanted.nodes, count)
    _agree("--replication", wanted.replication, kept.current.replication)
    _agree("--write-quorum", wanted.write_quorum, kept.current.write_quorum)
    by_name = {member.name: member.zone for member in kept.members}
    zones = tuple(by_name[name] for name in sorted(by_name, key=ordinal))
    if wanted.zones is not None:
        _agree("--zones", ",".join(_spread(wanted.zones, len(zones))), ",".join(zones))
    names = dict.fromkeys((*(f"node-{i}" for i in range(count)), *by_name))
    dealt = before.get("zones")
    return Shape(
        tuple(dealt) if isinstance(dealt, list) and dealt else zones,
        kept.current.replication,
        kept.current.write_quorum,
        tuple(sorted(names, key=ordinal)),
    )


def _new(wanted: Wanted) -> Shape:
    nodes = wanted.nodes or DEFAULT_NODES
    replication = wanted.replication or DEFAULT_REPLICATION
    if wanted.write_quorum and wanted.write_quorum > replication:
        raise Failure(
            f"--write-quorum {wanted.write_quorum} is more than the {replication} copies "
            "that --replication keeps; make it at most that."
        )
    names = tuple(f"node-{i}" for i in range(nodes))
    return Shape(wanted.zones or ("",), replication, wanted.write_quorum, names)


def _spread(zones: tuple[str, ...], nodes: int) -> tuple[str, ...]:
    return tuple(zones[i % len(zones)] for i in range(nodes))


def _agree(option: str, wanted: object, kept: object) -> None:
    if wanted is not None and wanted != kept:
        raise Failure(
            f"The ring in this folder was made with {option} {kept}, not {wanted}. Leave {option} "
            "out to go on with it, or choose another --data."
        )


def first_ring(cluster: str, members: Sequence[Member], wanted: Shape) -> Ring:
    """Epoch 1 for these members."""
    table = place(tuple(members), wanted.replication, write_quorum=wanted.write_quorum)
    return Ring(cluster=cluster, epoch=1, members=tuple(members), current=table)


def readdressed(ring: Ring, urls: dict[str, str]) -> Ring:
    """The ring with the members' addresses as `urls` (by name) has them; the same ring if it has.

    The owners don't change, so the next epoch needs no transition.
    """
    members = tuple(replace(m, url=urls.get(m.name, m.url)) for m in ring.members)
    return ring if members == ring.members else replace(ring, epoch=ring.epoch + 1, members=members)


def keep_addresses(folder: Folder, kept: Ring, urls: dict[str, str]) -> None:
    """The next epoch if the members' addresses differ: durable before any node gets it."""
    ring = readdressed(kept, urls)
    if ring != kept:
        folder.keep_ring(ring)


def stranger(ring: Ring, member: Member) -> str | None:
    """A sentence if the node on `member`'s volume is not the one that the ring knows, else None."""
    known = next((m.incarnation for m in ring.members if m.name == member.name), None)
    if known is None or member.key in ring:
        return None
    return (
        f"{member.name} starts on another volume (incarnation {member.incarnation}) than the ring "
        f"knows ({known}): what it held is missing, and it owns nothing. It answers from the "
        "other nodes. Put its old data folder back and start again, or give it up with "
        f"`apomixis replace {member.name}`."
    )
