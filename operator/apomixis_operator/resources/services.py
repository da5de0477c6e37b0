"""How pods are reached: two Services, the Ingress, and who may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apomixis_operator.observed import Cluster
from apomixis_operator.resources import names
from apomixis_operator.spec import Spec


def _annotated(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {"annotations": dict(wanted["annotations"])} if "annotations" in wanted else {}


def service_account(cluster: Cluster) -> dict[str, Any]:
    """An identity without a token: nodes never talk to the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": names.metadata(cluster, cluster.name),
        "automountServiceAccountToken": False,
    }


def headless(cluster: Cluster) -> dict[str, Any]:
    """Names for pods, ready or not: members find their first peer by them."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(cluster, names.headless_name(cluster.name)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": names.selector(cluster.name),
            "ports": [{"name": "internal", "port": names.INTERNAL_PORT, "targetPort": "internal"}],
        },
    }


def service(cluster: Cluster, spec: Spec) -> dict[str, Any]:
    """Where pictures are uploaded and shown."""
    more = _annotated(spec.service)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(cluster, cluster.name, **more),
        "spec": {
            "type": spec.service.get("type", "ClusterIP"),
            "selector": names.selector(cluster.name),
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def ingress(cluster: Cluster, spec: Spec) -> dict[str, Any] | None:
    """None where none is wanted."""
    wanted = spec.ingress
    if wanted is None:
        return None
    backend = {"service": {"name": cluster.name, "port": {"name": "http"}}}
    path = {"path": wanted.get("path", "/"), "pathType": "Prefix", "backend": backend}
    found: dict[str, Any] = {
        "rules": [{"host": wanted["host"], "http": {"paths": [path]}}],
    }
    if name := wanted.get("className"):
        found["ingressClassName"] = name
    if secret := wanted.get("tlsSecretName"):
        found["tls"] = [{"hosts": [wanted["host"]], "secretName": secret}]
    more = _annotated(wanted)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": names.metadata(cluster, cluster.name, **more),
        "spec": found,
    }


def network_policy(cluster: Cluster, spec: Spec, operator_namespace: str) -> dict[str, Any] | None:
    """The public port from anywhere; the internal one from own pods, Jobs, operator, metrics."""
    if not spec.network_policy:
        return None
    same = {"app.kubernetes.io/name": "apomixis", "app.kubernetes.io/instance": cluster.name}
    inside = [
        {"podSelector": {"matchLabels": same}},
        {
            "namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": operator_namespace}
            },
            "podSelector": {"matchLabels": {"app.kubernetes.io/component": "operator"}},
        },
        *map(dict, spec.metrics_from),
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(cluster, cluster.name),
        "spec": {
            "podSelector": {"matchLabels": names.selector(cluster.name)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": "http"}]},
                {"ports": [{"port": "internal"}], "from": inside},
            ],
        },
    }


def disruption_budget(cluster: Cluster, spec: Spec) -> dict[str, Any] | None:
    """Drains take one node at a time."""
    if not spec.disruption_budget:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": names.metadata(cluster, cluster.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": names.selector(cluster.name)},
        },
    }


def service_monitor(cluster: Cluster, spec: Spec) -> dict[str, Any] | None:
    """For the Prometheus operator, where it is."""
    if not spec.service_monitor:
        return None
    metadata = names.metadata(cluster, cluster.name)
    metadata["labels"] = {**metadata["labels"], **spec.monitor_labels}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": names.selector(cluster.name)},
            # The label by which the chart's alerts and dashboard tell clusters apart.
            "podTargetLabels": ["app.kubernetes.io/instance"],
            "endpoints": [{"port": "internal", "path": "/metrics"}],
        },
    }
