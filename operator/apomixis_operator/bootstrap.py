"""The first ring, and a ring that was lost: made from what the nodes say, or not at all.

Epoch 1 is written only where all volumes are blank. Where nodes have a ring already, the highest
epoch that enough of them answered for is put back.
"""

from __future__ import annotations

from dataclasses import replace

from apomixis_operator.actions import CreateRing, CreateSecret, Plan, SwapRing
from apomixis_operator.children import image_of
from apomixis_operator.members import as_member
from apomixis_operator.observed import Observed, RingObject
from apomixis_operator.resources.config import cluster_id
from apomixis_operator.resources.names import secret_name
from apomixis_ring.model import Member, Ring
from apomixis_ring.placement import place

PATIENCE_S = 60.0


def plan(seen: Observed) -> Plan | None:
    """None where there is a ring and no node knows a newer one."""
    if not image_of(seen):
        return Plan.blocked_by("ImageUnknown", "Name an image in spec.image.")
    if not seen.secret:
        return _secret(seen)
    if seen.ring_error:
        return Plan.blocked_by("RingLost", seen.ring_error)
    newest = max((n.report.epoch for n in seen.nodes.values()), default=0)
    if seen.ring is None:
        return _restored(seen, None) if _known(seen) else _first(seen)
    if newest > seen.ring.ring.epoch:
        return _restored(seen, seen.ring)
    if seen.spec.hibernate and seen.ring.ring.pending is None:
        return Plan((), "Hibernated", "Hibernated", "No pods run; volumes and ring are kept.")
    return None


def _secret(seen: Observed) -> Plan:
    name = secret_name(seen.cluster.name)
    if seen.ring is not None or seen.nodes:
        sentence = f"The Secret {name} is gone, while nodes know it; restore it from your backup."
        return Plan.blocked_by("SecretLost", sentence)
    return Plan((CreateSecret(name),), "Provisioning", "Provisioning", "The cluster is set up.")


def _known(seen: Observed) -> list[Ring]:
    """The rings that nodes of this cluster have."""
    mine = cluster_id(seen.cluster)
    return [n.ring for n in seen.nodes.values() if n.ring is not None and n.ring.cluster == mine]


def _restored(seen: Observed, before: RingObject | None) -> Plan:
    """Put back the highest epoch that nodes know, once R owners of every partition answered."""
    rings = _known(seen)
    newest = max((ring.epoch for ring in rings), default=0)
    candidates = {ring.dumps() for ring in rings if ring.epoch == newest}
    if not newest:
        return Plan.blocked_by("RingLost", "Nodes know a newer ring, but none has shown it yet.")
    if len(candidates) > 1:
        sentence = f"Nodes have different rings at epoch {newest}; restore the ConfigMap by hand."
        return Plan.blocked_by("RingLost", sentence)
    ring = next(ring for ring in rings if ring.epoch == newest)
    answered = {n.member.key for n in seen.nodes.values()}
    short = sum(
        sum(key in answered for key in row) < ring.current.read_quorum_of(p)
        for p, row in enumerate(ring.current)
    )
    if short:
        sentence = (
            f"The ring was lost; epoch {newest} is known, but a newer one may exist until more "
            f"owners of {short} partitions answer."
        )
        return Plan.blocked_by("RingLost", sentence)
    why = f"The ring was lost; epoch {newest} is put back, as the nodes have it."
    if before is None:
        image = image_of(seen)
        action: CreateRing | SwapRing = CreateRing(ring, seen.spec.replicas, image, why)
    else:
        after = replace(before, ring=ring)
        action = SwapRing(before, after, why)
    return Plan((action,), "Provisioning", "RingRestored", why)


def _first(seen: Observed) -> Plan:
    """Epoch 1, once enough blank nodes have said who they are."""
    wanted = [seen.pod_name(i) for i in range(seen.spec.replicas)]
    members, unknown = [], []
    for name in wanted:
        node = seen.nodes.get(name)
        member = as_member(seen, node) if node else None
        if node is not None and member is None:
            unknown.append(name)
        elif member is not None:
            members.append(member)
    if unknown:
        return _zone_unknown(unknown)
    silent = sorted(set(seen.claims) - set(seen.nodes))
    waited = seen.now - (seen.stateful_set.created if seen.stateful_set else seen.now)
    missing = len(wanted) - len(members)
    if missing and (waited < PATIENCE_S or len(members) < seen.spec.replication):
        sentence = f"{len(members)} of {len(wanted)} nodes have started. {_why_not(seen)}".strip()
        return Plan((), "Provisioning", "WaitingForNodes", sentence)
    if any(not n.report.blank for n in seen.nodes.values()) or (silent and not missing):
        sentence = "Some volumes are not blank, and no node has shown their ring yet."
        return Plan.blocked_by("RingLost", sentence)
    zones = {member.zone for member in members}
    if len(zones) < seen.spec.min_zones:
        sentence = f"Nodes are in {len(zones)} zones; topology.minZones is {seen.spec.min_zones}."
        return Plan.blocked_by("TooFewZones", sentence)
    return _made(seen, members)


def _made(seen: Observed, members: list[Member]) -> Plan:
    spec = seen.spec
    table = place(tuple(members), spec.replication, write_quorum=spec.write_quorum)
    ring = Ring(cluster_id(seen.cluster), 1, tuple(members), table)
    why = f"The first ring: {len(members)} members, {spec.replication} copies."
    return Plan(
        (CreateRing(ring, spec.replicas, image_of(seen), why),), "Provisioning", "RingCreated", why
    )


def _zone_unknown(names: list[str]) -> Plan:
    return Plan.blocked_by(
        "ZoneUnknown",
        f"The zone of {', '.join(names)} is not known: pods lack the label "
        "topology.kubernetes.io/zone (Kubernetes 1.35 sets it); set the chart's rbac.readNodes.",
    )


def _why_not(seen: Observed) -> str:
    """Why pods don't start, in Kubernetes's word."""
    for pod in seen.pods.values():
        if pod.waiting:
            return f"{pod.name} waits: {pod.waiting}."
        if not pod.scheduled:
            return f"{pod.name} is not scheduled yet."
    return ""
