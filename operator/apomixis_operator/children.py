"""The children that everything runs in, and how many pods there are to be."""

from __future__ import annotations

from typing import Any

from apomixis_operator.actions import Action, Apply, Own, RemoveChild
from apomixis_operator.observed import Cluster, Observed
from apomixis_operator.resources import config, jobs, services
from apomixis_operator.resources.names import key_of, ring_name, secret_name
from apomixis_operator.resources.statefulset import TEMPLATE_HASH, hash_of, stateful_set
from apomixis_operator.rollout import partition
from apomixis_operator.spec import Spec


def plan(seen: Observed, operator_namespace: str) -> tuple[Action, ...]:
    """Apply whatever is not as it was last applied; remove what is not wanted any more."""
    return (
        *(
            Apply(body)
            for body in wanted(seen, operator_namespace)
            if seen.applied.get(key_of(body)) != hash_of(body)
        ),
        *(
            RemoveChild(kind, name)
            for kind, name in unwanted(seen.cluster, seen.spec)
            if f"{kind}/{name}" in seen.applied
        ),
        *_owned(seen),
    )


def _owned(seen: Observed) -> list[Own]:
    """Volumes, ring and Secret share one fate: that of the reclaim policy, also when it changes."""
    wanted, cluster = seen.spec.delete_with_cluster, seen.cluster.name
    found = [
        Own("PersistentVolumeClaim", claim.name, wanted)
        for claim in seen.claims.values()
        if claim.owned != wanted and not claim.deleting
    ]
    if seen.ring is not None and seen.ring.owned != wanted:
        found.append(Own("ConfigMap", ring_name(cluster), wanted))
    if seen.secret is not None and seen.secret.owned != wanted:
        found.append(Own("Secret", secret_name(cluster), wanted))
    return found


def wanted(seen: Observed, operator_namespace: str) -> list[dict[str, Any]]:
    """The manifests of all children but ring, Secret, volumes and Jobs."""
    cluster, spec = seen.cluster, seen.spec
    image = image_of(seen)
    found = [
        services.service_account(cluster),
        config.config_map(cluster, spec),
        services.headless(cluster),
        services.service(cluster, spec),
        services.ingress(cluster, spec),
        services.network_policy(cluster, spec, operator_namespace),
        services.disruption_budget(cluster, spec),
        services.service_monitor(cluster, spec),
    ]
    if image:
        found.append(jobs.verify_cron_job(cluster, spec, image))
        if seen.secret:
            found.append(_stateful_set(seen, image))
    return [body for body in found if body is not None]


def unwanted(cluster: Cluster, spec: Spec) -> list[tuple[str, str]]:
    """Children that this spec does without."""
    optional = (
        ("Ingress", cluster.name, spec.ingress is not None),
        ("NetworkPolicy", cluster.name, spec.network_policy),
        ("PodDisruptionBudget", cluster.name, spec.disruption_budget),
        ("ServiceMonitor", cluster.name, spec.service_monitor),
        ("CronJob", f"{cluster.name}-verify", bool(spec.verify_schedule)),
    )
    return [(kind, name) for kind, name, there in optional if not there]


def image_of(seen: Observed) -> str:
    """The spec's image; else the recorded one, or the operator's own if that is to be followed."""
    recorded = seen.ring.image if seen.ring else ""
    if seen.spec.image:
        return seen.spec.image
    if seen.spec.upgrade_automatically or not recorded:
        return seen.default_image
    return recorded


def replicas(seen: Observed) -> int:
    """How many pods there must be: never fewer than who owns, or still has to hand over (I3)."""
    spec, ring = seen.spec, seen.ring
    if spec.hibernate and ring is not None and ring.ring.pending is None:
        return 0
    names = set(seen.member_names())
    if ring is None:
        names |= seen.claims.keys()
    highest = max(map(seen.ordinal, names), default=-1)
    return max(spec.replicas, highest + 1, _still_here(seen) + 1)


def _still_here(seen: Observed) -> int:
    """The highest ordinal of a pod that holds something, or that may: silence is not emptiness."""
    held = [-1]
    for name, pod in seen.pods.items():
        node = seen.nodes.get(name)
        if node is not None:
            if not node.report.blank:
                held.append(seen.ordinal(name))
        elif not (pod.node_gone or pod.waiting or pod.deleting):
            held.append(seen.ordinal(name))
    return max(held)


def _stateful_set(seen: Observed, image: str) -> dict[str, Any]:
    there = seen.stateful_set
    body = stateful_set(
        seen.cluster,
        seen.spec,
        image,
        config.settings(seen.cluster, seen.spec),
        replicas=replicas(seen),
        first_size=there.first_size if there else None,
        nginx=seen.nginx,
    )
    template = body["metadata"]["annotations"][TEMPLATE_HASH]
    body["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = partition(seen, template)
    return body
