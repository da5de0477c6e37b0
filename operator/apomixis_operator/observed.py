"""What was seen of one cluster at one moment, as frozen values: all that a plan is made from.

Every part that could not be seen is None or absent, which is "unknown" and never progress.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apomixis_operator.spec import Spec
from apomixis_ring.model import Member, Ring
from apomixis_ring.transition import Report


@dataclass(frozen=True)
class Cluster:
    """The ApomixisCluster object. `invalid` says what can't be used of its spec."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: Spec | None
    invalid: str = ""
    deleting: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RingObject:
    """The ConfigMap that is the authority: the ring, and what must outlive status.

    `wanted_replicas` since `wanted_since` (seconds since 1970); `retiring` are member keys that no
    proposal may name; `given_up` are members that are lost, each with the uid of its
    volume claim ("" where it had none); `image` is the one recorded.
    """

    ring: Ring
    resource_version: str
    uid: str
    wanted_replicas: int
    wanted_since: float
    retiring: tuple[str, ...] = ()
    given_up: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    owned: bool = False  # by the ApomixisCluster object: goes with it


@dataclass(frozen=True)
class SecretObject:
    """The members' Secret. `keys` are fingerprints, the one that is shown first.

    `rotated` is the last value of the annotation that was carried out, or is being; `shows_new`:
    of two keys the first is the new one; `changed` is when that was written, seconds since 1970.
    """

    keys: tuple[str, ...]
    resource_version: str = ""
    rotated: str = ""
    shows_new: bool = False
    changed: float = 0.0
    owned: bool = False  # by the ApomixisCluster object: goes with it


@dataclass(frozen=True)
class Pod:
    """One pod of the StatefulSet."""

    name: str
    uid: str
    ip: str
    ready: bool
    revision: str
    deleting: bool
    zone: str | None
    scheduled: bool
    node_gone: bool = False  # its machine is gone, or fenced by the out-of-service taint
    gone_since: float | None = None  # when its end was asked for, of a pod whose machine is gone
    ready_changed: float = 0.0  # when `ready` became what it is
    waiting: str = ""  # why a container waits: ImagePullBackOff, CrashLoopBackOff, …


@dataclass(frozen=True)
class Claim:
    """One persistent volume claim of the StatefulSet; sizes in bytes."""

    name: str
    uid: str
    requested: int
    capacity: int
    deleting: bool
    owned: bool  # by the ApomixisCluster object: goes with it


@dataclass(frozen=True)
class StatefulSet:
    """The StatefulSet as it is."""

    uid: str
    generation: int
    observed_generation: int
    replicas: int
    partition: int
    current_revision: str
    update_revision: str
    template_hash: str
    created: float = 0.0  # seconds since 1970
    first_size: str = ""  # of the claim templates, which never change


@dataclass(frozen=True)
class Job:
    """A rebalance Job: which epoch, which attempt, how it stands."""

    name: str
    uid: str
    epoch: int
    attempt: int
    active: bool
    failed: bool
    deleting: bool


@dataclass(frozen=True)
class NodeSeen:
    """What a node said of itself, just now. `ring` is asked for only where the ring is in doubt."""

    member: Member
    report: Report
    ready: bool
    caught_up: bool
    synced_bytes: int = 0
    images: int = 0
    used_bytes: int = 0
    capacity_bytes: int = 0
    alive: frozenset[str] = frozenset()  # keys of members that it sees alive
    cluster: str = ""
    ring: Ring | None = None
    keys: tuple[str, ...] = ()  # fingerprints of those it accepts; it shows the first


@dataclass(frozen=True)
class Observed:
    """One cluster at `now`, seconds since 1970."""

    now: float
    cluster: Cluster
    ring: RingObject | None
    secret: SecretObject | None
    ring_error: str
    stateful_set: StatefulSet | None
    pods: Mapping[str, Pod] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)  # by pod name
    jobs: tuple[Job, ...] = ()
    nodes: Mapping[str, NodeSeen] = field(default_factory=dict)  # by pod name, those that answered
    applied: Mapping[str, str] = field(default_factory=dict)  # hash of what was last applied
    default_image: str = ""
    nginx: bool = False  # the image has nginx and its command

    @property
    def spec(self) -> Spec:
        """The spec, which the caller has looked at: it is valid."""
        assert self.cluster.spec is not None  # noqa: S101
        return self.cluster.spec

    @property
    def reports(self) -> dict[str, Report]:
        """What nodes report, by member key."""
        return {seen.member.key: seen.report for seen in self.nodes.values()}

    def ordinal(self, name: str) -> int:
        """2 for photos-2; -1 for what is no pod of this cluster."""
        head, _, tail = name.rpartition("-")
        return int(tail) if head == self.cluster.name and tail.isdecimal() else -1

    def pod_name(self, ordinal: int) -> str:
        """photos-2 for 2."""
        return f"{self.cluster.name}-{ordinal}"

    def member_names(self) -> frozenset[str]:
        """Names of all members of the ring, those of the pending table too."""
        return frozenset(m.name for m in self.ring.ring.members) if self.ring else frozenset()
