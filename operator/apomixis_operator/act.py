"""Carrying a plan out: actions in order, up to the first conflict; then one looks again."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import structlog

from apomixis_operator import actions as do
from apomixis_operator import rotate
from apomixis_operator.kube import ConflictError, Kube
from apomixis_operator.nodes import Nodes
from apomixis_operator.observe import Applied
from apomixis_operator.observed import Observed, RingObject
from apomixis_operator.resources import names
from apomixis_operator.resources.ring import to_config_map
from apomixis_operator.resources.secret import keys_data, keys_of, rotated
from apomixis_operator.resources.statefulset import hash_of

log = structlog.get_logger()


class Act:
    """Carries out the plans of one round."""

    def __init__(self, kube: Kube, seen: Observed, applied: Applied) -> None:
        self.kube, self.seen, self.applied = kube, seen, applied
        self.namespace = seen.cluster.namespace

    def all(self, plan: do.Plan) -> None:
        """All actions. Raises ConflictError, RefusedError."""
        for action in plan.actions:
            carry_out(action, self)
            log.info("done", cluster=self.seen.cluster.name, action=type(action).__name__)

    def talk(self, call: Callable[[Nodes, str], bool], pod: str) -> None:
        """One request to a node; its silence is nothing to stop at."""
        secret = self.kube.get("Secret", self.namespace, names.secret_name(self.seen.cluster.name))
        if secret is None or pod not in self.seen.pods:
            return
        with Nodes(keys_of(secret)[0]) as nodes:
            call(nodes, self.seen.pods[pod].ip)


@singledispatch
def carry_out(action: object, act: Act) -> None:
    """One action. Raises ConflictError, RefusedError."""
    raise TypeError(f"unknown action {action!r}, {act!r}")


@carry_out.register
def _(action: do.Apply, act: Act) -> None:
    answer = act.kube.apply(action.body)
    act.applied.note(action.body, hash_of(action.body), answer)


@carry_out.register
def _(action: do.CreateSecret, act: Act) -> None:
    cluster = act.seen.cluster
    owned = act.seen.spec.delete_with_cluster
    act.kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": names.metadata(cluster, action.name, owned=owned),
            "type": "Opaque",
            "data": keys_data((secrets.token_urlsafe(32),)),
        }
    )


@carry_out.register
def _(action: do.RotateSecret, act: Act) -> None:
    name = names.secret_name(act.seen.cluster.name)
    found = act.kube.get("Secret", act.namespace, name)
    if found is None:
        raise ConflictError(f"{name} is gone")
    keys = rotate.after(keys_of(found), action.step, secrets.token_urlsafe(32))
    act.kube.patch("Secret", act.namespace, name, rotated(action, keys, act.seen.now))


@carry_out.register
def _(action: do.CreateRing, act: Act) -> None:
    new = RingObject(
        ring=action.ring,
        resource_version="",
        uid="",
        wanted_replicas=action.wanted_replicas,
        wanted_since=act.seen.now,
        image=action.image,
    )
    act.kube.create(to_config_map(act.seen.cluster, act.seen.spec, new))


@carry_out.register
def _(action: do.SwapRing, act: Act) -> None:
    act.kube.replace(to_config_map(act.seen.cluster, act.seen.spec, action.after))


@carry_out.register
def _(action: do.OfferRing, act: Act) -> None:
    act.talk(lambda nodes, ip: nodes.offer_ring(ip, action.member, action.ring), action.pod)


@carry_out.register
def _(action: do.AskNode, act: Act) -> None:
    act.talk(lambda nodes, ip: nodes.ask(ip, action.member, action.what, action.epoch), action.pod)


@carry_out.register
def _(action: do.DeletePod, act: Act) -> None:
    act.kube.delete("Pod", act.namespace, action.name, action.uid, now=action.force)


@carry_out.register
def _(action: do.DeleteClaim, act: Act) -> None:
    act.kube.delete("PersistentVolumeClaim", act.namespace, action.name, action.uid)


@carry_out.register
def _(action: do.GrowClaim, act: Act) -> None:
    body = {"spec": {"resources": {"requests": {"storage": action.size}}}}
    act.kube.patch("PersistentVolumeClaim", act.namespace, action.name, body)


@carry_out.register
def _(action: do.Own, act: Act) -> None:
    owners: list[dict[str, Any]] = [names.owner(act.seen.cluster)] if action.owned else []
    body = {"metadata": {"ownerReferences": owners or None}}
    act.kube.patch(action.kind, act.namespace, action.name, body)


@carry_out.register
def _(action: do.CreateJob, act: Act) -> None:
    try:
        act.kube.create(action.body)
    except ConflictError:
        return  # it is there


@carry_out.register
def _(action: do.DeleteJob, act: Act) -> None:
    act.kube.delete("Job", act.namespace, action.name, action.uid)


@carry_out.register
def _(action: do.RemoveChild, act: Act) -> None:
    act.kube.delete(action.kind, act.namespace, action.name)
