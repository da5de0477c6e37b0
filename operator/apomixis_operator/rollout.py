"""Updating pods: one at a time, highest ordinal first, each through a gate.

At rest the update partition is above every ordinal, and any change of the template sets it there
in the same write: a new ordinal never starts on a revision that nobody tried. The gate: every pod
Ready, every member caught up, and seen alive by all the others.
"""

from __future__ import annotations

from apomixis_operator.actions import DeletePod, Plan
from apomixis_operator.observed import Observed, Pod
from apomixis_operator.resources.statefulset import HELD
from apomixis_ring.model import name_of


def partition(seen: Observed, template: str) -> int:
    """The update partition to be set now; `template` is the hash of the wanted template."""
    there = seen.stateful_set
    if seen.ring is None:
        return 0  # nothing is served yet that a restart could disturb
    if there is None or there.template_hash != template:
        return HELD
    if there.observed_generation < there.generation:
        return there.partition
    behind = outdated(seen)
    if not behind:
        return HELD
    if unsettled(seen) or not at_rest(seen):
        return there.partition
    return max(seen.ordinal(pod.name) for pod in behind)


def outdated(seen: Observed) -> list[Pod]:
    """Pods of another revision than the newest."""
    there = seen.stateful_set
    if there is None:
        return []
    return [pod for pod in seen.pods.values() if pod.revision != there.update_revision]


def at_rest(seen: Observed) -> bool:
    """No transition, nothing retiring, and every copy there is meant to be is there."""
    return seen.ring is not None and seen.ring.ring.pending is None and not seen.ring.given_up


def unsettled(seen: Observed) -> str:
    """Why the next pod may not be touched yet; "" if it may."""
    assert seen.ring is not None  # noqa: S101  the caller looked
    members = {m.name: m.key for m in seen.ring.ring.members}
    for name, key in members.items():
        pod, node, claim = seen.pods.get(name), seen.nodes.get(name), seen.claims.get(name)
        if pod is None or pod.deleting or not pod.ready:
            return f"{name} is not Ready."
        if claim is not None and claim.deleting:
            return f"The volume of {name} is being deleted; a restart would come up blank."
        if node is None or node.member.key != key:
            return f"{name} does not answer."
        if not node.caught_up:
            return f"{name} has not caught up."
        if node.report.epoch != seen.ring.ring.epoch:
            return f"{name} has not adopted epoch {seen.ring.ring.epoch}."
        lacking = [k for k in members.values() if k not in node.alive and k != key]
        if lacking:
            return f"{name} does not see {name_of(lacking[0])} alive."
    return ""


def stuck(seen: Observed) -> Plan | None:
    """A pod that does not come up, on a revision that was superseded, makes way for another.

    The revision that the others run is not superseded: they would all come back on it.
    """
    there = seen.stateful_set
    for pod in outdated(seen):
        superseded = there is not None and pod.revision != there.current_revision
        if not pod.deleting and not pod.ready and (superseded or (pod.waiting and not seen.ring)):
            why = f"{pod.name} does not come up on an old revision: {pod.waiting or 'not Ready'}."
            action = DeletePod(pod.name, pod.uid, force=False, why=why)
            return Plan((action,), "Updating", "PodReplaced", why)
    return None


def plan(seen: Observed) -> Plan | None:
    """While pods are behind: how many, and what the next one waits for."""
    there = seen.stateful_set
    behind = outdated(seen)
    if there is None or not behind or there.observed_generation < there.generation:
        return None
    done, total = len(seen.pods) - len(behind), len(seen.pods)
    sentence = f"{done} of {total} pods run the newest revision. {unsettled(seen)}".strip()
    return Plan((), "Updating", "RollingUpdate", sentence)
