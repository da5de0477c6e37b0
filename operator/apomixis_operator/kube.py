"""The API server: the only module that writes to it. Objects are plain JSON values.

All calls have a timeout. A conflict (409) means that somebody else was faster: the caller looks
again. Reads that lead to a write are live, never from a cache.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from kubernetes import client, config

TIMEOUT_S = 20.0
MANAGER = "apomixis-operator"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
CORE = "/api/v1"
# Kind → API group and version, and the name in paths.
KINDS = {
    "ApomixisCluster": ("/apis/apomixis.io/v1alpha1", "apomixisclusters"),
    "ConfigMap": (CORE, "configmaps"),
    "Secret": (CORE, "secrets"),
    "Service": (CORE, "services"),
    "ServiceAccount": (CORE, "serviceaccounts"),
    "Pod": (CORE, "pods"),
    "PersistentVolumeClaim": (CORE, "persistentvolumeclaims"),
    "Event": (CORE, "events"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "Job": ("/apis/batch/v1", "jobs"),
    "CronJob": ("/apis/batch/v1", "cronjobs"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "ServiceMonitor": ("/apis/monitoring.coreos.com/v1", "servicemonitors"),
}
Object = dict[str, Any]


class ConflictError(Exception):
    """Somebody else was faster (409), or what was seen is not there any more."""


class RefusedError(Exception):
    """The API server refuses what was sent; the text is its own."""


@dataclass(frozen=True)
class Kube:
    """One connection, with the credentials of the pod or of a kubeconfig."""

    api: client.ApiClient

    @classmethod
    def connect(cls) -> Kube:
        """With the service account inside a pod, else with the kubeconfig."""
        try:
            config.load_incluster_config()  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_kube_config()  # type: ignore[no-untyped-call]
        return cls(client.ApiClient())

    # ---- reading

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object; None if the API server says that it is not there."""
        return self._call("GET", _path(kind, namespace, name), missing_is_none=True)

    def listed(self, kind: str, namespace: str, selector: str) -> list[Object]:
        """Objects by labels; none of a kind that the API server doesn't have."""
        path = f"{_path(kind, namespace)}?{urlencode({'labelSelector': selector})}"
        found = self._call("GET", path, missing_is_none=True)
        return list(found["items"]) if found else []

    def clusters(self, namespace: str | None) -> list[Object]:
        """All ApomixisClusters of a namespace, or of all."""
        group, plural = KINDS["ApomixisCluster"]
        path = f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"
        found = self._call("GET", path)
        return list(found["items"]) if found else []

    def node(self, name: str) -> Object | None:
        """A machine of the Kubernetes cluster; None where it is gone."""
        return self._call("GET", f"{CORE}/nodes/{name}", missing_is_none=True)

    # ---- writing

    def apply(self, body: Mapping[str, Any]) -> Object:
        """Server-side apply. Raises ConflictError, RefusedError."""
        metadata = body["metadata"]
        path = _path(body["kind"], metadata["namespace"], metadata["name"])
        query = urlencode({"fieldManager": MANAGER, "force": "true"})
        return self._call("PATCH", f"{path}?{query}", body, APPLY) or {}

    def create(self, body: Mapping[str, Any]) -> Object:
        """POST. Raises ConflictError if it is there already, RefusedError."""
        return self._call("POST", _path(body["kind"], body["metadata"]["namespace"]), body) or {}

    def replace(self, body: Mapping[str, Any]) -> Object:
        """PUT by the resourceVersion and uid in `body`. Raises ConflictError, RefusedError."""
        metadata = body["metadata"]
        path = _path(body["kind"], metadata["namespace"], metadata["name"])
        return self._call("PUT", path, body) or {}

    def patch(
        self, kind: str, namespace: str, name: str, body: Mapping[str, Any], part: str = ""
    ) -> Object:
        """Merge patch of an object or its subresource. Raises ConflictError, RefusedError."""
        path = _path(kind, namespace, name) + (f"/{part}" if part else "")
        return self._call("PATCH", path, body, MERGE) or {}

    def delete(
        self, kind: str, namespace: str, name: str, uid: str | None = None, *, now: bool = False
    ) -> None:
        """DELETE, in the background, only that very object; nothing if it is gone.

        `now`: without waiting for the kubelet's word, for a machine that is gone.
        """
        options: Object = {"propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if now:
            options["gracePeriodSeconds"] = 0
        self._call("DELETE", _path(kind, namespace, name), options, missing_is_none=True)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        *,
        missing_is_none: bool = False,
    ) -> Object | None:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        self.api.update_params_for_auth(headers, [], ["BearerToken"], "", method, body)
        try:
            answer = self.api.call_api(
                method,
                self.api.configuration.host + path,
                header_params=headers,
                body=body,
                _request_timeout=TIMEOUT_S,
            )
            text: bytes = answer.read()  # type: ignore[no-untyped-call]
            status = int(answer.status)
        except client.ApiException as error:
            text, status = _body(error), int(error.status or 0)
        if status == 404 and missing_is_none:
            return None
        if status >= 400 or not status:
            raise _explained(status, text)
        found: Object = json.loads(text) if text else {}
        return found


def _body(error: client.ApiException) -> bytes:
    body: object = error.body or error.reason
    return body if isinstance(body, bytes) else str(body).encode()


def _explained(status: int, text: bytes) -> Exception:
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:500].decode("utf-8", "replace")
    if status in (404, 409, 410):
        return ConflictError(message)
    return RefusedError(f"{status}: {message}")


def _path(kind: str, namespace: str, name: str = "") -> str:
    group, plural = KINDS[kind]
    return f"{group}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")
