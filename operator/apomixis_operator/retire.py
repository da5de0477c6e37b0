"""Nodes that have left: drained, their pods ended, their volumes removed if that is the policy.

    retired ─► noted in the ring's object ─► drained (blank now) ─► pod ended ─► volume ─► note gone

While it is noted, no proposal may name it: two operators can't take back what one of them removes.
"""

from __future__ import annotations

from dataclasses import replace

from apomixis_operator.actions import AskNode, DeleteClaim, Plan, SwapRing
from apomixis_operator.children import replicas
from apomixis_operator.observed import Observed, RingObject
from apomixis_ring.model import name_of

# Endpoints, proxies and Ingress controllers lag behind a pod that is not Ready any more.
UNPUBLISHED_S = 15.0


def plan(seen: Observed) -> Plan | None:
    """One step for one node; None where nobody has left."""
    ring = seen.ring
    assert ring is not None  # noqa: S101  bootstrap comes first
    if ring.ring.pending is not None:
        return None
    if (found := _drain(seen, ring)) is not None:
        return found
    for key in ring.retiring:
        if (found := _remove(seen, ring, key)) is not None:
            return found
    return None


def _drain(seen: Observed, ring: RingObject) -> Plan | None:
    for pod, node in sorted(seen.nodes.items()):
        key = node.member.key
        if key in ring.ring or node.report.blank or not node.report.retired:
            continue
        if key not in ring.retiring:
            why = f"{pod} has handed over all it held; it is drained."
            after = replace(ring, retiring=(*ring.retiring, key))
            return Plan((SwapRing(ring, after, why),), "Retiring", "Draining", why)
        if seen.pods[pod].ready or seen.now - seen.pods[pod].ready_changed < UNPUBLISHED_S:
            sentence = f"{pod} is taken out of service before it is drained."
            return Plan((), "Retiring", "Draining", sentence)
        sentence = f"{pod} sets aside what it holds, and leaves."
        ask = AskNode(pod, node.member, "drain", ring.ring.epoch)
        return Plan((ask,), "Retiring", "Draining", sentence)
    return None


def _remove(seen: Observed, ring: RingObject, key: str) -> Plan | None:
    """The pod is gone, or blank and wanted again: then the volume, then the note."""
    name = name_of(key)
    node, pod, claim = seen.nodes.get(name), seen.pods.get(name), seen.claims.get(name)
    stays = seen.ordinal(name) < replicas(seen)
    if stays:
        if node is None or node.member.key == key:
            return Plan((), "Retiring", "Draining", f"{name} starts again as a blank node.")
    elif pod is not None:
        return Plan((), "Retiring", "PodEnds", f"{name} has left; its pod ends.")
    elif claim is not None and seen.spec.delete_drained:
        if claim.deleting:
            return Plan((), "Retiring", "VolumeRemoved", f"The volume of {name} is removed.")
        why = f"{name} was drained, owns nothing and has no pod"
        action = DeleteClaim(claim.name, claim.uid, why)
        return Plan((action,), "Retiring", "VolumeRemoved", f"The volume of {name} is removed.")
    why = f"{name} has left." if not stays else f"{name} is wanted again."
    after = replace(ring, retiring=tuple(k for k in ring.retiring if k != key))
    return Plan((SwapRing(ring, after, why),), "Retiring", "Retired", why)
