"""The transition: `apomixis_ring.transition` decides, with Jobs and pods as its hands."""

from __future__ import annotations

from dataclasses import replace

from apomixis_operator.actions import (
    Action,
    AskNode,
    CreateJob,
    DeleteJob,
    OfferRing,
    Plan,
    SwapRing,
)
from apomixis_operator.children import image_of
from apomixis_operator.heal import fenced
from apomixis_operator.members import as_member
from apomixis_operator.observed import NodeSeen, Observed, RingObject
from apomixis_operator.resources.jobs import rebalance_job
from apomixis_ring import transition
from apomixis_ring.model import Member, Ring, name_of
from apomixis_ring.transition import Phase, Step, Wanted

PATIENCE_S = 60.0
ASKED = {Phase.RETIRE: "retire", Phase.CLEAN: "clean"}


def plan(seen: Observed) -> Plan | None:
    """The next step of the protocol; None where the ring is at rest, as wanted."""
    ring = seen.ring
    assert ring is not None  # noqa: S101  bootstrap comes first
    if noted := _note_wanted(seen, ring):
        return noted
    wanted = wanted_members(seen, ring)
    if wanted is None:
        sentence = f"{seen.spec.replicas} nodes are wanted; new ones have still to start."
        return Plan((*_offers(seen, ring.ring),), "Provisioning", "WaitingForNodes", sentence)
    step = transition.step(ring.ring, wanted, seen.reports, fenced(seen))
    if step.phase is Phase.STABLE:
        return _at_rest(seen, step)
    if step.phase is Phase.BLOCKED:
        return Plan.blocked_by("SourceUnavailable", step.why, *_offers(seen, ring.ring))
    actions: tuple[Action, ...]
    if step.phase is Phase.PROPOSE and (offers := _offers(seen, ring.ring)):
        # A new member knows the ring before it is in it: the first write must not find it without.
        return Plan(tuple(offers), "Provisioning", "WaitingForNodes", "New nodes get the ring.")
    if step.swap is not None:
        actions = (SwapRing(ring, replace(ring, ring=step.swap), step.why),)
    else:
        actions = (*_offers(seen, ring.ring), *_carried_out(seen, ring.ring, step))
    reason = step.phase.value
    return Plan(actions, reason, reason, step.why, progress=(step.done, step.total))


def missing(seen: Observed) -> Plan | None:
    """Nodes that are wanted and own nothing yet, for they have not started; all else is done."""
    ring = seen.ring
    assert ring is not None  # noqa: S101  bootstrap comes first
    wanted = map(seen.pod_name, range(effective_replicas(seen, ring)))
    if not (names := [name for name in wanted if name not in seen.member_names()]):
        return None
    sentence = f"{', '.join(names)} has still to start; the others own everything."
    return Plan((), "Provisioning", "WaitingForNodes", sentence)


def _note_wanted(seen: Observed, ring: RingObject) -> Plan | None:
    """How many nodes are wanted, and since when: a lower number has to stand for a while."""
    if ring.wanted_replicas == seen.spec.replicas and ring.image:
        return None
    why = f"{seen.spec.replicas} nodes are wanted, after {ring.wanted_replicas}."
    after = replace(
        ring,
        wanted_replicas=seen.spec.replicas,
        wanted_since=seen.now,
        image=ring.image or image_of(seen),
    )
    return Plan((SwapRing(ring, after, why),), "Proposing", "WantedChanged", why)


def wanted_members(seen: Observed, ring: RingObject) -> Wanted | None:
    """Who should own everything: the ordinals below replicas, by who they are now or were.

    A member that is silent stays wanted; one that is given up does not, nor a volume that is being
    retired. A new one that has not said who it is, or where, is waited for, and then left out;
    None while it is waited for.
    """
    known = {m.name: m for m in ring.ring.members if m.key not in ring.given_up}
    members = []
    for ordinal in range(effective_replicas(seen, ring)):
        name = seen.pod_name(ordinal)
        old, node = known.get(name), seen.nodes.get(name)
        member = _now(seen, ring, old, node)
        if member is not None:
            members.append(member)
        elif seen.now - ring.wanted_since < PATIENCE_S and not _is_given_up(ring, name):
            return None
    spec = seen.spec
    if not members:
        return None
    return Wanted(tuple(members), spec.replication, spec.write_quorum)


def _now(
    seen: Observed, ring: RingObject, old: Member | None, node: NodeSeen | None
) -> Member | None:
    """A member as it is to be: an old one with its zone and address of today, or a new one."""
    if old is not None:
        same = node is not None and node.member.key == old.key
        return (as_member(seen, node) if node and same else None) or old
    if node is None or node.member.key in ring.given_up:
        return None
    if node.member.name in map(name_of, ring.retiring):
        return None
    return as_member(seen, node)


def _is_given_up(ring: RingObject, name: str) -> bool:
    return name in map(name_of, ring.given_up)


def effective_replicas(seen: Observed, ring: RingObject) -> int:
    """The spec's number; one below that of the members counts once it has stood long enough."""
    now = 1 + max(map(seen.ordinal, seen.member_names()), default=-1)
    young = seen.now - ring.wanted_since < seen.spec.scale_down_delay_s
    return max(seen.spec.replicas, now) if young else seen.spec.replicas


def _offers(seen: Observed, ring: Ring) -> list[Action]:
    """The ring for every node that is behind: they tell each other, but this is sooner."""
    behind = [(p, n) for p, n in sorted(seen.nodes.items()) if n.report.epoch < ring.epoch]
    return [OfferRing(pod, node.member, ring) for pod, node in behind]


def _carried_out(seen: Observed, ring: Ring, step: Step) -> list[Action]:
    if step.phase is Phase.COPY:
        return _job(seen, ring)
    if step.phase in ASKED:
        pods = {node.member.key: (pod, node.member) for pod, node in seen.nodes.items()}
        return [
            AskNode(*pods[key], ASKED[step.phase], ring.epoch)
            for key in step.members
            if key in pods
        ]
    return []


def _job(seen: Observed, ring: Ring) -> list[Action]:
    """One Job for the epoch; after a failed one the next attempt, under its own name."""
    mine = [job for job in seen.jobs if job.epoch == ring.epoch]
    old: list[Action] = [
        DeleteJob(job.name, job.uid)
        for job in seen.jobs
        if job.epoch != ring.epoch and not job.deleting
    ]
    # One that has ended well proves nothing: where copies are lacking still, another goes.
    if any(job.active for job in mine):
        return old
    attempt = 1 + max((job.attempt for job in mine), default=0)
    body = rebalance_job(seen.cluster, seen.spec, image_of(seen), ring.epoch, attempt)
    return [*old, CreateJob(body)]


def _at_rest(seen: Observed, step: Step) -> Plan | None:
    """Jobs of the past go; None where there are none."""
    old = tuple(DeleteJob(job.name, job.uid) for job in seen.jobs if not job.deleting)
    return Plan(old, "Cleaning", "JobsRemoved", step.why) if old else None
