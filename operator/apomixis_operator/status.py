"""The status of a cluster, from what is seen and what is planned: wiped, it comes back (I12)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from apomixis_operator.actions import Plan
from apomixis_operator.conditions import conditions, silent
from apomixis_operator.observed import Observed
from apomixis_operator.resources.names import as_text, selector
from apomixis_operator.times import timestamp
from apomixis_ring.moving import joining_and_leaving


def status(seen: Observed, plan: Plan) -> dict[str, Any]:
    """Everything under `status`; equal for equal worlds, times aside."""
    ready = sum(pod.ready for pod in seen.pods.values())
    found: dict[str, Any] = {
        "observedGeneration": seen.cluster.generation,
        "phase": phase(seen, plan),
        "replicas": len(seen.pods),
        "readyReplicas": ready,
        "selector": as_text(selector(seen.cluster.name)),
        "nodes": [_node(seen, name) for name in sorted(seen.pods, key=seen.ordinal)],
        "conditions": conditions(seen, plan),
    }
    if seen.ring is not None:
        ring = seen.ring.ring
        found["ring"] = {
            "epoch": ring.epoch,
            "hash": _hash(seen),
            "members": len(ring.members),
            "zones": len({m.zone for m in ring.members}),
            "pending": ring.pending is not None,
        }
        if ring.pending is not None:
            found["rebalance"] = _rebalance(seen, plan)
    return found


def phase(seen: Observed, plan: Plan) -> str:
    """The plan's; Degraded where nothing is to be done and a member does not answer."""
    if plan.phase == "Ready" and silent(seen):
        return "Degraded"
    return plan.phase


def _hash(seen: Observed) -> str:
    assert seen.ring is not None  # noqa: S101  the caller looked
    return sha256(seen.ring.ring.dumps().encode()).hexdigest()[:12]


def _rebalance(seen: Observed, plan: Plan) -> dict[str, Any]:
    assert seen.ring is not None  # noqa: S101  the caller looked
    ring = seen.ring.ring
    joining, leaving = map(list, joining_and_leaving(ring))
    done, total = plan.progress
    found: dict[str, Any] = {
        "operation": _operation(joining, leaving),
        "toEpoch": ring.epoch + 1,
        "joining": joining,
        "leaving": leaving,
        "bytesDone": sum(node.synced_bytes for node in seen.nodes.values()),
    }
    if total:
        found |= {
            "partitionsTotal": total,
            "partitionsDone": done,
            "progress": f"{100 * done // total}%",
        }
    jobs = [job.name for job in seen.jobs if job.epoch == ring.epoch]
    if jobs:
        found["job"] = sorted(jobs)[-1]
    before: Mapping[str, Any] = seen.cluster.status.get("rebalance") or {}
    same = before.get("toEpoch") == found["toEpoch"] and "startedAt" in before
    found["startedAt"] = before["startedAt"] if same else timestamp(seen.now)
    return found


def _operation(joining: list[str], leaving: list[str]) -> str:
    if joining and leaving:
        return "Replace" if set(joining) & set(leaving) else "Resize"
    return "Join" if joining else "Drain" if leaving else "Reconfigure"


def _node(seen: Observed, name: str) -> dict[str, Any]:
    node = seen.nodes.get(name)
    found: dict[str, Any] = {"name": name, "state": _state(seen, name)}
    if zone := seen.pods[name].zone:
        found["zone"] = zone
    if node is not None:
        found |= {
            "incarnation": node.member.incarnation,
            "ringEpoch": node.report.epoch,
            "bytesUsed": _coarse(node.used_bytes, node.capacity_bytes),
            "bytesCapacity": node.capacity_bytes,
        }
    return found


def _coarse(used: int, capacity: int) -> int:
    """By whole percents: a status that changes with every byte would be written without end."""
    step = max(1, capacity // 100)
    return used // step * step


def _state(seen: Observed, name: str) -> str:
    ring, node, pod = seen.ring, seen.nodes.get(name), seen.pods[name]
    if node is None:
        return "Lost" if pod.node_gone else "Unknown" if pod.ready else "Starting"
    key = node.member.key
    if ring is None:
        return "Starting"
    owners = {k for row in ring.ring.current for k in row}
    then = {k for row in ring.ring.pending or () for k in row}
    if key in owners:
        return "Serving" if key in then or not then else "Draining"
    if key in then:
        return "Joining"
    return "Starting" if node.report.blank else "Drained" if node.report.retired else "Draining"
