"""Names and labels of a cluster's children."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apomixis_operator.observed import Cluster

GROUP, VERSION, KIND, PLURAL = "apomixis.io", "v1alpha1", "ApomixisCluster", "apomixisclusters"
MANAGER = "apomixis-operator"
PUBLIC_PORT, INTERNAL_PORT = 8080, 8081
NODE, VERIFY, REBALANCE = "node", "verify", "rebalance"


def ring_name(cluster: str) -> str:
    """The ConfigMap with the ring."""
    return f"{cluster}-ring"


def secret_name(cluster: str) -> str:
    """The Secret that members share."""
    return f"{cluster}-internal"


def config_name(cluster: str) -> str:
    """The ConfigMap with the nodes' settings."""
    return f"{cluster}-config"


def headless_name(cluster: str) -> str:
    """The headless Service: names of pods."""
    return f"{cluster}-nodes"


def claim_name(pod: str) -> str:
    """The volume claim of a pod."""
    return f"data-{pod}"


def pod_url(cluster: Cluster, pod: str) -> str:
    """The lasting address of a pod's internal listener."""
    host = f"{pod}.{headless_name(cluster.name)}.{cluster.namespace}.svc"
    return f"http://{host}:{INTERNAL_PORT}"


def selector(cluster: str, component: str = NODE) -> dict[str, str]:
    """What selects the pods of a component. Jobs carry another one than nodes, or they would
    count for the disruption budget and get traffic."""
    return {
        "app.kubernetes.io/name": "apomixis",
        "app.kubernetes.io/instance": cluster,
        "app.kubernetes.io/component": component,
    }


def labels(cluster: str, component: str = NODE) -> dict[str, str]:
    """All labels of a child."""
    return {
        **selector(cluster, component),
        "app.kubernetes.io/managed-by": MANAGER,
        "app.kubernetes.io/part-of": "apomixis",
    }


def owner(cluster: Cluster) -> dict[str, Any]:
    """The owner reference of children that go with the cluster object."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": cluster.name,
        "uid": cluster.uid,
        "controller": True,
    }


def as_text(selected: Mapping[str, str]) -> str:
    """Labels as a query names them: `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in selected.items())


def key_of(body: Mapping[str, Any]) -> str:
    """Kind and name of an object."""
    return f"{body['kind']}/{body['metadata']['name']}"


def metadata(
    cluster: Cluster, name: str, *, component: str = NODE, owned: bool = True, **more: Any
) -> dict[str, Any]:
    """The metadata of a child."""
    found: dict[str, Any] = {
        "name": name,
        "namespace": cluster.namespace,
        "labels": labels(cluster.name, component),
        **more,
    }
    if owned:
        found["ownerReferences"] = [owner(cluster)]
    return found


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` wins; maps are merged, lists of the operator's come after the user's."""
    found = dict(under)
    for key, value in over.items():
        before = found.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            found[key] = merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            found[key] = [*before, *value]
        else:
            found[key] = value
    return found
