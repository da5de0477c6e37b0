"""Updating pods: one at a time, highest ordinal first, each through a gate.

At rest the update partition is above every ordinal, and any change of the template sets it there
in the same write: a new ordinal never starts on a revision that nobody tried. The gate: every pod
Ready, every member caught up, and seen alive by all the others.
"""

from __future__ import annotations

from apomixis_operator.actions import Action, DeletePod, Plan
from apomixis_operator.observed import Observed, Pod
from apomixis_operator.resources.statefulset import HELD


def partition(seen: Observed, template: str) -> int:
    """The update partition to be set now; `template` is the hash of the wanted template."""
    there = seen.stateful_set
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
        pod, node = seen.pods.get(name), seen.nodes.get(name)
        if pod is None or pod.deleting or not pod.ready:
            return f"{name} is not Ready."
        if seen.claims[name].deleting if name in seen.claims else False:
            return f"The volume of {name} is being deleted; a restart would come up blank."
        if node is None or node.member.key != key:
            return f"{name} does not answer."
        if not node.caught_up:
            return f"{name} has not caught up."
        if node.report.epoch != seen.ring.ring.epoch:
            return f"{name} has not adopted epoch {seen.ring.ring.epoch}."
        lacking = [k for k in members.values() if k not in node.alive and k != key]
        if lacking:
            return f"{name} does not see {lacking[0].partition('@')[0]} alive."
    return ""


def plan(seen: Observed) -> Plan | None:
    """While pods are behind: say so; a pod that never became Ready makes way for its successor."""
    there = seen.stateful_set
    behind = outdated(seen)
    if there is None or not behind or there.observed_generation < there.generation:
        return None
    total = len(seen.pods)
    done = total - len(behind)
    stuck: tuple[Action, ...] = tuple(
        DeletePod(pod.name, pod.uid, force=False, why="it never became Ready on an old revision")
        for pod in behind
        if not pod.ready and not pod.deleting and seen.ordinal(pod.name) >= there.partition
    )
    why = unsettled(seen) if seen.ring else "There is no ring yet."
    sentence = f"{done} of {total} pods run the newest revision. {why}".strip()
    return Plan(stuck[:1], "Updating", "RollingUpdate", sentence)
