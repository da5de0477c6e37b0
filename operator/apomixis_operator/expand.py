"""Volumes grow with `storage.size`; the claim templates never change, the claims do."""

from __future__ import annotations

from apomixis_operator.actions import GrowClaim, Plan
from apomixis_operator.observed import Observed


def plan(seen: Observed) -> Plan | None:
    """Ask for more where a volume is smaller than wanted."""
    small = [c for c in seen.claims.values() if c.requested < seen.spec.size and not c.deleting]
    if not small:
        return None
    actions = tuple(GrowClaim(claim.name, seen.spec.size_text) for claim in small)
    sentence = f"{len(small)} volumes grow to {seen.spec.size_text}."
    return Plan(actions, "Updating", "VolumesGrow", sentence)
