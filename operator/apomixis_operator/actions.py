"""What can be done: an action is one write, or one request to a node; a plan is a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apomixis_operator.observed import RingObject, SecretObject
from apomixis_operator.resources.names import key_of
from apomixis_ring.model import Member, Ring


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a child object, unless the same was applied before."""

    body: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """Kind and name."""
        return key_of(self.body)

    def __str__(self) -> str:
        return f"apply {self.name}"


@dataclass(frozen=True)
class CreateSecret:
    """Make the cluster's secret: random, made once, never replaced by an apply."""

    name: str


@dataclass(frozen=True)
class RotateSecret:
    """Change the Secret's keys by a step (add, use or drop), if it is still the one seen."""

    before: SecretObject = field(repr=False)
    step: str
    value: str


@dataclass(frozen=True)
class CreateRing:
    """POST the ring's ConfigMap; 409 means that somebody else did."""

    ring: Ring = field(repr=False)
    wanted_replicas: int
    image: str
    why: str


@dataclass(frozen=True)
class SwapRing:
    """PUT the ring's ConfigMap in place of the one seen, by resourceVersion and uid."""

    before: RingObject = field(repr=False)
    after: RingObject = field(repr=False)
    why: str


@dataclass(frozen=True)
class OfferRing:
    """Put the ring to a node, at its pod's address."""

    pod: str
    member: Member
    ring: Ring = field(repr=False)


@dataclass(frozen=True)
class AskNode:
    """POST copy, retire, clean or drain to a node."""

    pod: str
    member: Member
    what: str
    epoch: int
    body: tuple[int, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DeletePod:
    """Delete a pod by uid; `force` where its machine is gone and nobody else will."""

    name: str
    uid: str
    force: bool
    why: str


@dataclass(frozen=True)
class DeleteClaim:
    """Delete a volume by uid."""

    name: str
    uid: str
    why: str


@dataclass(frozen=True)
class GrowClaim:
    """Ask for a larger volume."""

    name: str
    size: str


@dataclass(frozen=True)
class Own:
    """Tie a volume, the ring or the Secret to the ApomixisCluster object, or untie it: with
    `reclaimPolicy.whenDeleted: Delete` they go when it goes."""

    kind: str
    name: str
    owned: bool


@dataclass(frozen=True)
class CreateJob:
    """POST a Job; 409 means that it is there."""

    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class DeleteJob:
    """Delete a Job and its pod, by uid."""

    name: str
    uid: str


@dataclass(frozen=True)
class RemoveChild:
    """Delete a child that is not wanted any more, where it is there."""

    kind: str
    name: str


Action = (
    Apply
    | CreateSecret
    | RotateSecret
    | CreateRing
    | SwapRing
    | OfferRing
    | AskNode
    | DeletePod
    | DeleteClaim
    | GrowClaim
    | Own
    | CreateJob
    | DeleteJob
    | RemoveChild
)


@dataclass(frozen=True)
class Plan:
    """What to do now, in order, and what to say. `phase` and `reason` are in `conditions.py`."""

    actions: tuple[Action, ...]
    phase: str
    reason: str
    sentence: str
    blocked: bool = False
    progress: tuple[int, int] = (0, 0)  # partitions proved, of how many

    @property
    def resting(self) -> bool:
        """Whether nothing is on its way."""
        return self.phase in ("Ready", "Paused", "Hibernated", "Terminating")

    @staticmethod
    def blocked_by(reason: str, sentence: str, *actions: Action) -> Plan:
        """Somebody has to do something; what, the sentence says."""
        return Plan(actions, "Blocked", reason, sentence, blocked=True)
