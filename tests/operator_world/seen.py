"""How the world in memory looks from outside: pods, volumes, and what nodes say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apomixis_operator.observed import Claim, NodeSeen, Pod
from apomixis_ring.model import Member, Ring
from apomixis_ring.proof import Proof
from apomixis_ring.transition import Report, changed

if TYPE_CHECKING:
    from operator_world.world import World


@dataclass
class Volume:
    """A node's disk: who it is, the ring that it has, what it has proved."""

    incarnation: str
    ring: Ring | None = None
    blank: bool = True
    retired_at: int = 0
    clean_at: int = 0
    proved_at: int = 0
    size: int = 1 << 30


def pod(world: World, name: str) -> Pod:
    """A pod as the API server has it."""
    ordinal = int(name.rpartition("-")[2])
    volume = world.volumes[name]
    leaving = volume.ring is not None and volume.retired_at == volume.ring.epoch
    return Pod(
        name=name,
        uid=name,
        ip="10.0.0.1",
        ready=name in world.up and volume.ring is not None and not leaving,
        revision=world.revisions[name],
        deleting=False,
        zone="abc"[ordinal % 3],
        scheduled=True,
    )


def claim(world: World, name: str) -> Claim:
    """A volume claim as the API server has it."""
    size = world.volumes[name].size
    owned = world.owned.get(f"data-{name}", False)
    return Claim(f"data-{name}", world.volumes[name].incarnation, size, size, False, owned)


def node(world: World, name: str) -> NodeSeen:
    """What a node says of itself."""
    volume = world.volumes[name]
    ring = volume.ring
    key = f"{name}@{volume.incarnation}"
    proofs: Mapping[int, Proof] = {}
    if ring is not None and ring.pending is not None and volume.proved_at == ring.epoch:
        owners = {p: frozenset(ring.current[p]) for p in changed(ring)}
        proofs = {p: Proof(ring.epoch, asked) for p, asked in owners.items()}
    member = ring is not None and key in ring
    left = 0 if member and ring is not None and volume.clean_at == ring.epoch else 1
    report = Report(
        epoch=ring.epoch if ring else 0,
        blank=volume.blank,
        proofs=proofs,
        leftovers=left if member and ring is not None and ring.pending is None else 0,
        retired=ring is not None and volume.retired_at == ring.epoch,
    )
    alive = frozenset(f"{n}@{world.volumes[n].incarnation}" for n in world.up)
    known = world.ring.ring.epoch if world.ring else 0
    return NodeSeen(
        member=Member(name, volume.incarnation, f"http://{name}:8081"),
        report=report,
        ready=True,
        caught_up=True,
        alive=alive,
        keys=world.keys[name],
        ring=ring if ring is not None and ring.epoch > known else None,
    )
