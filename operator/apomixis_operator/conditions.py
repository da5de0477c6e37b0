"""Conditions, from what is seen and planned; and a table of why a cluster can be blocked."""

from __future__ import annotations

from typing import Any

from apomixis_operator.actions import Plan
from apomixis_operator.observed import Observed
from apomixis_operator.times import timestamp

REASONS = {
    "InvalidSpec": "A value in the spec can't be used.",
    "ImageUnknown": "No image is named, and the operator has no default.",
    "InvalidTemplate": "The API server refuses the pod template.",
    "RingLost": "The ring's ConfigMap is lost or damaged, and can't be restored safely.",
    "SecretLost": "The members' Secret is gone while nodes run.",
    "SourceUnavailable": "Too few owners answer for copies to be made.",
    "TooFewZones": "Members are in fewer zones than topology.minZones.",
    "ZoneUnknown": "The zone of a pod is not known.",
}


def conditions(seen: Observed, plan: Plan) -> list[dict[str, Any]]:
    """All five, in order; a transition time changes only when the status does."""
    short, lacking, names = _unavailable(seen), _lacking(seen), silent(seen)
    quiet = f"Not ready, or silent: {', '.join(names)}." if names else ""
    found = (
        _either("Available", short, "QuorumMissed", "QuorumMet", "All partitions have owners."),
        ("Progressing", not plan.resting and not plan.blocked, plan.reason, plan.sentence),
        _either("Degraded", quiet, "MembersSilent", "AllWell", "All members answer.", bad=True),
        _either(
            "Blocked",
            plan.sentence if plan.blocked else "",
            plan.reason,
            "NotBlocked",
            "Nothing is in the way.",
            bad=True,
        ),
        _either(
            "ReplicationSatisfied", lacking, "CatchingUp", "CaughtUp", "Every owner has caught up."
        ),
    )
    before = {c["type"]: c for c in seen.cluster.status.get("conditions") or ()}
    return [
        _condition(seen, before.get(kind), kind, value=value, reason=reason, message=message)
        for kind, value, reason, message in found
    ]


def _either(
    kind: str, wrong: str, why: str, well: str, all_well: str, *, bad: bool = False
) -> tuple[str, bool, str, str]:
    """A condition that is about something wrong; `bad`: it is True where there is something."""
    value = bool(wrong) if bad else not wrong
    return kind, value, why if wrong else well, wrong or all_well


def _condition(
    seen: Observed,
    before: dict[str, Any] | None,
    kind: str,
    *,
    value: bool,
    reason: str,
    message: str,
) -> dict[str, Any]:
    status = "True" if value else "False"
    same = before is not None and before.get("status") == status
    since = before["lastTransitionTime"] if before and same else timestamp(seen.now)
    return {
        "type": kind,
        "status": status,
        "reason": reason or "Unknown",
        "message": message,
        "observedGeneration": seen.cluster.generation,
        "lastTransitionTime": since,
    }


def _unavailable(seen: Observed) -> str:
    """Which partitions can't be written; "" if all can."""
    if seen.ring is None:
        return "There is no ring yet."
    ring = seen.ring.ring
    ready = {n.member.key for n in seen.nodes.values() if n.ready}
    short = sum(
        sum(key in ready for key in row) < table.write_quorum_of(p)
        for table in (ring.current, ring.pending)
        if table is not None
        for p, row in enumerate(table)
    )
    return f"{short} partitions have fewer ready owners than writeQuorum." if short else ""


def silent(seen: Observed) -> list[str]:
    """Members of the ring that do not answer as themselves, or are not ready."""
    if seen.ring is None:
        return []
    ready = {n.member.key for n in seen.nodes.values() if n.ready}
    return [m.name for m in seen.ring.ring.members if m.key not in ready]


def _lacking(seen: Observed) -> str:
    if seen.ring is None:
        return "There is no ring yet."
    if seen.ring.ring.pending is not None:
        return "Copies are on their way to their new owners."
    caught = {n.member.key for n in seen.nodes.values() if n.caught_up}
    names = [m.name for m in seen.ring.ring.members if m.key not in caught]
    return f"{', '.join(names)} still catches up, or does not answer." if names else ""
