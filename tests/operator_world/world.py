"""A small Kubernetes with small nodes, in memory: what the operator sees, and what its acts do.

Every write is looked at as it happens: the invariants that speak of Kubernetes objects hold at
every moment, not only at the end.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apomixis_operator import actions as do
from apomixis_operator.observed import (
    Cluster,
    Job,
    Observed,
    RingObject,
    SecretObject,
    StatefulSet,
)
from apomixis_operator.resources.statefulset import HELD, TEMPLATE_HASH, hash_of
from apomixis_operator.spec import read_spec
from operator_world.keys import keys_arrive, new_key, rotated
from operator_world.seen import Volume, claim, node, pod

NAME, NAMESPACE = "photos", "web"


class ConflictError(Exception):
    """A compare-and-swap that came too late."""


@dataclass
class World:
    """The state of everything, and the rules by which it moves."""

    dice: random.Random
    spec: dict[str, Any] = field(
        default_factory=lambda: {"replicas": 3, "storage": {"size": "1Gi"}}
    )
    annotations: dict[str, str] = field(default_factory=dict)
    now: float = 1_000_000.0
    ring: RingObject | None = None
    secret: SecretObject | None = None
    stateful_set: StatefulSet | None = None
    revisions: dict[str, str] = field(default_factory=dict)  # pod → revision
    broken: set[str] = field(default_factory=set)  # revisions that no node starts with
    up: set[str] = field(default_factory=set)  # pods whose node runs
    starting: dict[str, int] = field(default_factory=dict)  # pod → ticks until its node runs
    volumes: dict[str, Volume] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    applied: dict[str, str] = field(default_factory=dict)
    uids: int = 0
    writes: list[str] = field(default_factory=list)
    owned: dict[str, bool] = field(default_factory=dict)  # volumes
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)  # that a node has read
    deleted: set[str] = field(default_factory=set)  # incarnations of volumes that were deleted

    # ---- what is seen

    def observe(self, image: str = "apomixis:1") -> Observed:
        """All of it, now."""
        return Observed(
            now=self.now,
            cluster=Cluster(
                NAMESPACE, NAME, "uid", 1, read_spec(self.spec), annotations=dict(self.annotations)
            ),
            ring=self.ring,
            ring_error="",
            secret=self.secret,
            stateful_set=self.stateful_set,
            pods={name: pod(self, name) for name in self.revisions},
            claims={name: claim(self, name) for name in self.volumes},
            jobs=tuple(self.jobs),
            nodes={name: node(self, name) for name in self.up},
            applied=dict(self.applied),
            default_image=image,
        )

    # ---- what is done

    def carry_out(self, action: do.Action) -> None:
        """One action. Raises ConflictError."""
        self.writes.append(type(action).__name__)
        getattr(self, f"_{type(action).__name__}")(action)

    def _Apply(self, action: do.Apply) -> None:  # noqa: N802
        body = action.body
        self.applied[action.name] = hash_of(body)
        if body["kind"] == "StatefulSet":
            self._apply_stateful_set(body)

    def _apply_stateful_set(self, body: Mapping[str, Any]) -> None:
        spec = body["spec"]
        replicas = spec["replicas"]
        partition = spec["updateStrategy"]["rollingUpdate"]["partition"]
        asleep = self.spec.get("hibernate") and self.ring and self.ring.ring.pending is None
        if self.ring is not None and not asleep:
            highest = max(int(m.name.rpartition("-")[2]) for m in self.ring.ring.members)
            assert replicas > highest, f"I3: {replicas} pods, photos-{highest} is a member"
            if partition != HELD:
                assert self.ring.ring.pending is None, "I7: an update in a transition"
        template = body["metadata"]["annotations"][TEMPLATE_HASH]
        before = self.stateful_set
        if before is not None and before.template_hash != template:
            assert partition == HELD or self.ring is None, "a new template rolls without a gate"
        self.stateful_set = StatefulSet(
            uid="sts",
            generation=1,
            observed_generation=1,
            replicas=replicas,
            partition=partition,
            current_revision=before.current_revision if before else template,
            update_revision=template,
            template_hash=template,
            created=before.created if before else self.now,
            first_size="1Gi",
        )

    def _CreateSecret(self, action: do.CreateSecret) -> None:  # noqa: N802
        if self.secret is not None:
            raise ConflictError(action.name)
        owned = read_spec(self.spec).delete_with_cluster
        self.secret = SecretObject((new_key(self),), "1", owned=owned)

    def _RotateSecret(self, action: do.RotateSecret) -> None:  # noqa: N802
        if self.secret is None or self.secret.resource_version != action.before.resource_version:
            raise ConflictError
        self.secret = rotated(self, self.secret, action)

    def _CreateRing(self, action: do.CreateRing) -> None:  # noqa: N802
        if self.ring is not None:
            raise ConflictError
        if action.ring.epoch == 1:
            assert all(v.blank for v in self.volumes.values()), "epoch 1 over volumes in use"
        self.ring = RingObject(
            action.ring,
            "1",
            "r",
            action.wanted_replicas,
            self.now,
            image=action.image,
            owned=read_spec(self.spec).delete_with_cluster,
        )

    def _SwapRing(self, action: do.SwapRing) -> None:  # noqa: N802
        if self.ring is None or self.ring.resource_version != action.before.resource_version:
            raise ConflictError
        step = action.after.ring.epoch - self.ring.ring.epoch
        assert step in (0, 1), f"I6: the epoch goes up by {step}"
        if step == 0:
            assert action.after.ring == self.ring.ring, "I6: another ring at the same epoch"
        version = str(int(self.ring.resource_version) + 1)
        owned = read_spec(self.spec).delete_with_cluster
        self.ring = replace(action.after, resource_version=version, owned=owned)

    def _OfferRing(self, action: do.OfferRing) -> None:  # noqa: N802
        if action.pod not in self.up:
            return
        volume = self.volumes[action.pod]
        if volume.ring is None or volume.ring.epoch < action.ring.epoch:
            volume.ring = action.ring
        if f"{action.pod}@{volume.incarnation}" in action.ring:
            volume.blank = False

    def _AskNode(self, action: do.AskNode) -> None:  # noqa: N802
        volume = self.volumes.get(action.pod)
        same = volume is not None and volume.incarnation == action.member.incarnation
        if volume is None or not same or action.pod not in self.up:
            return
        assert volume.ring is not None
        if volume.ring.epoch != action.epoch:
            return
        if action.what == "clean":
            volume.clean_at = action.epoch
        elif action.what == "retire":
            volume.retired_at = action.epoch
        elif action.what == "drain":
            assert volume.retired_at == action.epoch, "drained before it handed over"
            self.volumes[action.pod] = self._blank(volume.size)

    def _DeletePod(self, action: do.DeletePod) -> None:  # noqa: N802
        self.revisions.pop(action.name, None)
        self.starting.pop(action.name, None)
        self.up.discard(action.name)

    def _DeleteClaim(self, action: do.DeleteClaim) -> None:  # noqa: N802
        name = action.name.removeprefix("data-")
        volume = self.volumes.get(name)
        if volume is None or volume.incarnation != action.uid:
            return
        assert self.ring is not None
        assert f"{name}@{volume.incarnation}" not in self.ring.ring, "I4: a member's volume"
        assert self.ring.ring.pending is None, "I4: not adopted yet"
        self.deleted.add(volume.incarnation)
        del self.volumes[name]
        self._DeletePod(do.DeletePod(name, name, force=False, why=""))

    def _GrowClaim(self, action: do.GrowClaim) -> None:  # noqa: N802
        self.volumes[action.name.removeprefix("data-")].size = read_spec(self.spec).size

    def _Own(self, action: do.Own) -> None:  # noqa: N802
        if action.kind == "ConfigMap":
            assert self.ring is not None
            version = str(int(self.ring.resource_version) + 1)
            self.ring = replace(self.ring, owned=action.owned, resource_version=version)
        elif action.kind == "Secret":
            assert self.secret is not None
            self.secret = replace(self.secret, owned=action.owned)
        else:
            self.owned[action.name] = action.owned

    def _CreateJob(self, action: do.CreateJob) -> None:  # noqa: N802
        notes = action.body["metadata"]["annotations"]
        name = action.body["metadata"]["name"]
        if any(job.name == name for job in self.jobs):
            return
        epoch, attempt = int(notes["apomixis.io/epoch"]), int(notes["apomixis.io/attempt"])
        self.jobs.append(Job(name, name, epoch, attempt, active=True, failed=False, deleting=False))

    def _DeleteJob(self, action: do.DeleteJob) -> None:  # noqa: N802
        self.jobs = [job for job in self.jobs if job.name != action.name]

    def _RemoveChild(self, action: do.RemoveChild) -> None:  # noqa: N802
        self.applied.pop(f"{action.kind}/{action.name}", None)

    # ---- what happens by itself

    def tick(self) -> None:
        """Kubernetes's controllers and the nodes do their part; some seconds go by."""
        self.now += 5
        self._pods()
        for name in list(self.starting):
            if self.revisions[name] in self.broken:
                continue
            self.starting[name] -= 1
            if not self.starting[name]:
                del self.starting[name]
                self.up.add(name)
                self.keys[name] = self.secret.keys if self.secret else ()
        for name in self.up:
            volume = self.volumes[name]
            newest = self.ring.ring if self.ring else None
            told = newest is not None and f"{name}@{volume.incarnation}" in newest
            if told and newest is not None and volume.ring is not None:
                volume.ring, volume.blank = newest, False  # by gossip
        self._job()
        keys_arrive(self)

    def _pods(self) -> None:
        there = self.stateful_set
        if there is None:
            return
        for name in list(self.revisions):
            if int(name.rpartition("-")[2]) >= there.replicas:
                asleep = self.spec.get("hibernate")
                held = name in self.up and not self.volumes[name].blank
                assert asleep or not held, f"{name} ended before it was drained"
                self._DeletePod(do.DeletePod(name, name, force=False, why=""))
        for ordinal in range(there.replicas):
            name = f"{NAME}-{ordinal}"
            new = there.update_revision if ordinal >= there.partition else there.current_revision
            if name not in self.revisions or (
                ordinal >= there.partition and self.revisions[name] != there.update_revision
            ):
                self.revisions[name] = new
                self.volumes.setdefault(name, self._blank())
                self.up.discard(name)
                self.starting[name] = self.dice.randrange(2, 5)
        if all(r == there.update_revision for r in self.revisions.values()):
            self.stateful_set = replace(there, current_revision=there.update_revision)

    def _job(self) -> None:
        done = []
        for job in self.jobs:
            if job.active and self.dice.random() < 0.1:
                job = replace(job, active=False, failed=True)
            elif job.active:
                for name in self.up:
                    volume = self.volumes[name]
                    if volume.ring is not None and volume.ring.epoch == job.epoch:
                        volume.proved_at = job.epoch
            done.append(job)
        self.jobs = done

    def _blank(self, size: int = 1 << 30) -> Volume:
        self.uids += 1
        return Volume(f"i{self.uids}", size=size)
