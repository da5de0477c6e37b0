"""Members that are lost: given up by a person, by time, or because their volume is being deleted.

Giving up is written into the ring's object first; then the member leaves both tables by a
transition, and only when it is in neither and the commit is adopted its volume and pod are deleted
(I4). The pod comes back blank, as another incarnation, and joins. Which volume is meant is noted by
its uid, for its successor's has the same name.
"""

from __future__ import annotations

from dataclasses import replace

from apomixis_operator.actions import Action, DeleteClaim, DeletePod, Plan, SwapRing
from apomixis_operator.members import named
from apomixis_operator.observed import Observed, RingObject
from apomixis_ring.model import name_of

REPLACE, ACCEPT_LOSS = "apomixis.io/replace", "apomixis.io/accept-loss"


def plan(seen: Observed) -> Plan | None:
    """Note who is given up; clear away what is left of whoever has left the ring."""
    assert seen.ring is not None  # noqa: S101  bootstrap comes first
    ring = seen.ring
    given_up = _given_up(seen, ring)
    if given_up != ring.given_up:
        new = sorted(given_up.keys() - ring.given_up.keys())
        why = f"{_names(new)} is lost and will be replaced." if new else "All lost are replaced."
        after = replace(ring, given_up=given_up)
        return Plan((SwapRing(ring, after, why),), "Healing", "MemberLost", why)
    if ring.ring.pending is not None:
        return None
    for key in ring.given_up:
        if key not in ring.ring and (actions := _clear(seen, key)):
            sentence = f"{_names([key])} has left the ring; its pod gets a blank volume."
            return Plan(actions, "Healing", "VolumeReplaced", sentence)
    return None


def _given_up(seen: Observed, ring: RingObject) -> dict[str, str]:
    """Members that are lost, and their volumes: those noted before, until they are cleared away."""
    wanted = named(seen.cluster.annotations.get(REPLACE, ""))
    noted = set(map(name_of, ring.given_up))
    found = {}
    for member in ring.ring.members:
        asked = member.name in wanted and member.name not in noted
        if member.key in ring.given_up or asked or member.key in wanted or _gone(seen, member.name):
            claim = seen.claims.get(member.name)
            found[member.key] = ring.given_up.get(member.key, claim.uid if claim else "")
    # One that has left stays noted until it is cleared away, and as long as the annotation stands:
    # or its successor would be replaced as well.
    left = {
        key: uid
        for key, uid in ring.given_up.items()
        if key not in ring.ring and (name_of(key) in wanted or _clear(seen, key))
    }
    return left | found


def _gone(seen: Observed, name: str) -> bool:
    claim, pod, after = seen.claims.get(name), seen.pods.get(name), seen.spec.lost_after_s
    if claim is not None and claim.deleting:
        return True
    if after is None or pod is None or not pod.node_gone or pod.gone_since is None:
        return False
    return seen.now - pod.gone_since >= after and name not in seen.nodes


def _clear(seen: Observed, key: str) -> tuple[Action, ...]:
    """Delete the volume and the pod of a member that is in no table, until that volume is gone."""
    assert seen.ring is not None  # noqa: S101  the caller looked
    name = name_of(key)
    pod, claim = seen.pods.get(name), seen.claims.get(name)
    if claim is None or claim.uid != seen.ring.given_up.get(key):
        return ()
    why = f"{name} was given up, and owns nothing any more"
    actions: list[Action] = []
    if not claim.deleting:
        actions.append(DeleteClaim(claim.name, claim.uid, why))
    if pod is not None and (pod.node_gone or not pod.deleting):
        actions.append(DeletePod(pod.name, pod.uid, force=pod.node_gone, why=why))
    return tuple(actions)


def fenced(seen: Observed) -> frozenset[str]:
    """Members whose loss counts: accepted by a person, and really gone, not just cut off.

    A member that is only cut off would go on answering.
    """
    assert seen.ring is not None  # noqa: S101  bootstrap comes first
    accepted = named(seen.cluster.annotations.get(ACCEPT_LOSS, ""))
    found = set()
    for member in seen.ring.ring.members:
        pod = seen.pods.get(member.name)
        node = seen.nodes.get(member.name)
        another = node is not None and node.member.key != member.key
        gone = pod is None or pod.node_gone or another
        if gone and (member.name in accepted or member.key in accepted):
            found.add(member.key)
    return frozenset(found)


def _names(keys: list[str]) -> str:
    return ", ".join(map(name_of, keys))
