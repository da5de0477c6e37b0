"""The pod of a node: `node` as a native sidecar, nginx as the container in front of it.

Both run from one image under one uid, on a root that can only be read. Nothing lies in an emptyDir,
which would block `kubectl drain`: temporary paths are on the volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apomixis_operator.observed import Cluster
from apomixis_operator.resources import names
from apomixis_operator.resources.config import SIGNING_KEYS, UPLOAD_KEYS
from apomixis_operator.spec import ZONE_LABEL, Spec

UID = 10001
GRACE_S = 120
DRAIN_S = 5  # endpoints lag behind a pod's end: refused connections otherwise
SECRET = "/etc/apomixis/secret"  # noqa: S105  a path
SOCKET = "/data/node.sock"
HTTP = {"name": "http", "containerPort": names.PUBLIC_PORT}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod_security() -> dict[str, Any]:
    """Of the `restricted` pod security standard."""
    return {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod_template(
    cluster: Cluster, spec: Spec, image: str, config_hash: str, *, nginx: bool
) -> dict[str, Any]:
    """The template of the StatefulSet; the user's `podTemplate` is merged under it."""
    user: Mapping[str, Any] = spec.pod_template
    own = {
        "metadata": {
            "labels": names.labels(cluster.name),
            "annotations": {"apomixis.io/config-hash": config_hash},
        },
        "spec": _pod_spec(cluster, spec, image, nginx=nginx),
    }
    return names.merged(user, own)


def _pod_spec(cluster: Cluster, spec: Spec, image: str, *, nginx: bool) -> dict[str, Any]:
    node = _node(cluster, spec, image, nginx=nginx)
    found: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "serviceAccountName": cluster.name,
        "securityContext": pod_security(),
        "terminationGracePeriodSeconds": GRACE_S,
        "volumes": _volumes(cluster, spec),
        "topologySpreadConstraints": [_spread(cluster, spec)],
    }
    if nginx:
        found["initContainers"] = [{**node, "restartPolicy": "Always"}]
        found["containers"] = [_nginx(cluster, spec, image)]
    else:
        found["containers"] = [node]
    if spec.pull_secrets:
        found["imagePullSecrets"] = [dict(secret) for secret in spec.pull_secrets]
    return found


def _node(cluster: Cluster, spec: Spec, image: str, *, nginx: bool) -> dict[str, Any]:
    ports = [{"name": "internal", "containerPort": names.INTERNAL_PORT}]
    return {
        **_container(cluster, spec, image, "node", nginx=nginx),
        "ports": ports if nginx else [*ports, HTTP],
        "resources": dict(spec.resources),
        "startupProbe": _probe("/healthz", "internal", periodSeconds=1, failureThreshold=300),
        "livenessProbe": _probe("/healthz", "internal", periodSeconds=10, failureThreshold=6),
        **({} if nginx else _in_service()),
    }


def _nginx(cluster: Cluster, spec: Spec, image: str) -> dict[str, Any]:
    """It makes its configuration from the node's own settings."""
    return {
        **_container(cluster, spec, image, "nginx", nginx=True),
        "ports": [HTTP],
        **_in_service(),
    }


def _container(
    cluster: Cluster, spec: Spec, image: str, what: str, *, nginx: bool
) -> dict[str, Any]:
    """What both have: one image, one environment, one set of folders."""
    return {
        "name": what,
        "image": image,
        "imagePullPolicy": spec.pull_policy,
        "command": ["apomixis", what],
        "envFrom": [{"configMapRef": {"name": names.config_name(cluster.name)}}],
        "env": _environment(nginx=nginx),
        "securityContext": RESTRICTED,
        "volumeMounts": _mounts(spec),
    }


def _in_service() -> dict[str, Any]:
    """Of the container that answers users."""
    return {
        "readinessProbe": _probe("/readyz", "http", periodSeconds=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_S}}},
    }


def _environment(*, nginx: bool) -> list[dict[str, Any]]:
    def field(name: str, path: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    found = [
        field("APOMIXIS_NAME", "metadata.name"),
        field("POD_IP", "status.podIP"),
        field("APOMIXIS_ZONE", f"metadata.labels['{ZONE_LABEL}']"),
        {"name": "APOMIXIS_INTERNAL_URL", "value": f"http://$(POD_IP):{names.INTERNAL_PORT}"},
        {"name": "APOMIXIS_SECRET_FILE", "value": f"{SECRET}/keys"},
        {"name": "APOMIXIS_DATA", "value": "/data"},
        {"name": "TMPDIR", "value": "/data/tmp"},
    ]
    if nginx:
        found.append({"name": "APOMIXIS_SOCKET", "value": SOCKET})
    return found


def _probe(path: str, port: str, **more: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port}, "timeoutSeconds": 5, **more}


def _mounts(spec: Spec) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "data", "mountPath": "/data"},
        {"name": "secret", "mountPath": SECRET, "readOnly": True},
    ]
    if spec.uploads.get("keysSecretName"):
        found.append({"name": "upload-keys", "mountPath": UPLOAD_KEYS, "readOnly": True})
    if spec.renditions.get("signingSecretName"):
        folder = SIGNING_KEYS.rpartition("/")[0]
        found.append({"name": "signing", "mountPath": folder, "readOnly": True})
    return found


def _volumes(cluster: Cluster, spec: Spec) -> list[dict[str, Any]]:
    def secret(name: str, of: str) -> dict[str, Any]:
        return {"name": name, "secret": {"secretName": of, "defaultMode": 0o440}}

    found = [secret("secret", names.secret_name(cluster.name))]
    if keys := spec.uploads.get("keysSecretName"):
        found.append(secret("upload-keys", keys))
    if signing := spec.renditions.get("signingSecretName"):
        found.append(secret("signing", signing))
    return found


def _spread(cluster: Cluster, spec: Spec) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": spec.zone_key,
        "whenUnsatisfiable": spec.when_unsatisfiable,
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": names.selector(cluster.name)},
    }
