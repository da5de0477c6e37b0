"""A namespace with a release of the chart in it, and clusters: what a person would do with kubectl
and Helm, as methods."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from apomixis_operator.resources.ring import from_config_map
from apomixis_ring.model import Ring
from chart.rendering import CHART, ROOT, helm, tool
from e2e import asking
from needs import need

PATIENCE_S = 180
OPERATOR = "app.kubernetes.io/component=operator"
NODES = "app.kubernetes.io/component=node"
Body = dict[str, Any]


class RefusedError(Exception):
    """kubectl said no; the message is what it said."""


class Release:
    """The namespace `space`, with an operator, held to the `restricted` pod security standard."""

    def __init__(self, space: str, name: str = "apomixis") -> None:
        self.space = space
        self.name = name
        self.host = f"{space}.example.test"

    def kubectl(self, *words: str, stdin: str | None = None, seconds: float = 100) -> str:
        """What it prints. Raises RefusedError."""
        program = tool("kubectl", "https://kubernetes.io/docs/tasks/tools")
        done = subprocess.run(
            [program, f"--namespace={self.space}", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode != 0:
            raise RefusedError(done.stderr.strip())
        return done.stdout

    def get(self, what: str, **selectors: str) -> Body:
        """An object, or a list. Raises RefusedError."""
        found = self._asked(what, **selectors)
        if found is None:
            raise RefusedError(f"{what} is not there.")
        return found

    def _asked(self, what: str, **selectors: str) -> Body | None:
        try:
            return asking.get(self.space, what, **selectors)
        except asking.UnansweredError as why:
            raise RefusedError(str(why)) from why

    def raw(self, path: str) -> bytes:
        """What is at a path below the namespace, asked through the API server."""
        program = tool("kubectl", "https://kubernetes.io/docs/tasks/tools")
        url = f"/api/v1/namespaces/{self.space}/{path}"
        done = subprocess.run(
            [program, "get", "--raw", url], capture_output=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise RefusedError(done.stderr.decode().strip())
        return done.stdout

    def there(self, what: str) -> bool:
        return self._asked(what) is not None

    def helm(self, *words: str) -> str:
        done = helm(*words, "--namespace", self.space)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self, *values: str) -> None:
        """Install the operator, and a cluster if the values say so."""
        self.helm("install", self.name, str(CHART), *_images(), *_set(values))

    def upgrade(self, *values: str) -> None:
        self.helm("upgrade", self.name, str(CHART), "--reset-then-reuse-values", *_set(values))

    def apply(self, body: Body | str) -> None:
        text = body if isinstance(body, str) else yaml.safe_dump(body)
        self.kubectl("apply", "-f", "-", stdin=text)

    def cluster(self, replicas: int = 3, name: str = "photos", **spec: Any) -> None:
        """Apply a cluster, reached through the Ingress by this release's host."""
        wanted = {
            "replicas": replicas,
            "storage": {"size": "1Gi"},
            "ingress": {"host": self.host},
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
            **spec,
        }
        about = {"apiVersion": "apomixis.io/v1alpha1", "kind": "ApomixisCluster"}
        self.apply({**about, "metadata": {"name": name}, "spec": wanted})

    def scale(self, replicas: int) -> None:
        self.kubectl("scale", "apx/photos", f"--replicas={replicas}")

    def patch(self, **spec: Any) -> None:
        """Change fields of the cluster's spec."""
        self.kubectl("patch", "apx/photos", "--type=merge", "-p", json.dumps({"spec": spec}))

    def restore(self, spec: Body) -> None:
        """Put a spec in place of what is there."""
        patch = [{"op": "replace", "path": "/spec", "value": spec}]
        self.kubectl("patch", "apx/photos", "--type=json", "-p", json.dumps(patch))

    def annotate(self, **notes: str) -> None:
        """Of the cluster, below apomixis.io/; an empty value takes one away."""
        for name, value in notes.items():
            key = f"apomixis.io/{name.replace('_', '-')}"
            self.kubectl("annotate", "apx/photos", f"{key}={value}" if value else f"{key}-")

    def status(self) -> Body:
        found: Body = self.get("apx/photos").get("status", {})
        return found

    def blocked(self) -> str:
        """Why the cluster can't go on; empty where it can."""
        for condition in self.status().get("conditions", []):
            if condition["type"] == "Blocked" and condition["status"] == "True":
                return str(condition["reason"])
        return ""

    def settled(self, replicas: int) -> bool:
        """Whether all is as wanted, by the operator's own word, for the spec as it is now."""
        cluster = self.get("apx/photos")
        status = cluster.get("status", {})
        seen = status.get("observedGeneration") == cluster["metadata"]["generation"]
        counts = (status.get("replicas"), status.get("readyReplicas"))
        members = status.get("ring", {}).get("members")
        well = {
            condition["type"]: condition["status"] for condition in status.get("conditions", [])
        }
        return (
            seen
            and status.get("phase") == "Ready"
            and counts == (replicas, replicas)
            and members == replicas
            and well.get("ReplicationSatisfied") == "True"
        )

    def wait_settled(self, replicas: int = 3, seconds: float = PATIENCE_S) -> None:
        self.eventually(lambda: self.settled(replicas), f"{replicas} well nodes", seconds)

    def incarnation(self, name: str) -> str:
        """Of a member in the ring; empty where it is in none."""
        return next((m.incarnation for m in self.ring().members if m.name == name), "")

    def wait_replaced(self, name: str, before: str) -> None:
        """Until another incarnation than `before` is a member, and all three are well."""
        replaced = f"another incarnation of {name}"
        self.eventually(lambda: self.incarnation(name) not in ("", before), replaced)
        self.wait_settled(3)

    def eventually(
        self, true: Callable[[], object], what: str, seconds: float = PATIENCE_S
    ) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{what}: not after {seconds:g} s\n{self.picture()}"
            time.sleep(1)

    def picture(self) -> str:
        """How things stand, for the report of a failure."""
        parts = [self.kubectl("get", "apx,pods,jobs,pvc", "-o=wide")]
        parts.append(yaml.safe_dump(self.status()))
        parts.append(self.kubectl("get", "events", "--sort-by=.lastTimestamp")[-4000:])
        parts.append(self.kubectl("logs", f"-l={OPERATOR}", "--tail=15"))
        return "\n".join(parts)

    def pods(self) -> list[str]:
        """Names of the nodes' pods."""
        items = self.get("pods", labelSelector=NODES)["items"]
        return sorted(pod["metadata"]["name"] for pod in items)

    def uids(self) -> dict[str, str]:
        """Pod → uid: another uid is another pod."""
        items = self.get("pods", labelSelector=NODES)["items"]
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in items}

    def ring(self) -> Ring:
        return from_config_map(self.get("configmap/photos-ring")).ring

    def events(self) -> list[str]:
        """Reasons of the cluster's Events, oldest first."""
        items = self.get("events", fieldSelector="involvedObject.kind=ApomixisCluster")["items"]
        items.sort(key=lambda event: event["metadata"]["name"])
        return [event["reason"] for event in items]

    def operator(self, *, running: bool) -> None:
        """Start the operator or end it, and wait until it is so."""
        deployment = self.kubectl("get", "deploy", f"-l={OPERATOR}", "-o=name").strip()
        self.kubectl("scale", deployment, f"--replicas={int(running)}")
        if running:
            self.kubectl("rollout", "status", deployment, "--timeout=90s")
        else:
            self.kubectl("wait", "pod", f"-l={OPERATOR}", "--for=delete", "--timeout=90s")


def _images() -> list[str]:
    operator, node = (os.environ[name].rpartition(":") for name in ("OPERATOR_IMAGE", "NODE_IMAGE"))
    return _set(
        (
            f"image.repository={operator[0]}",
            f"image.tag={operator[2]}",
            f"nodeImage.repository={node[0]}",
            f"nodeImage.tag={node[2]}",
        )
    )


def _set(values: tuple[str, ...]) -> list[str]:
    return [f"--set={value}" for value in values]


@contextmanager
def namespace(space: str, name: str = "apomixis") -> Iterator[Release]:
    """An empty namespace, gone afterwards."""
    need(os.environ.get("KUBECONFIG"), "a Kubernetes cluster: `make e2e` makes one")
    release = Release(space, name)
    crds = ("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "manifests/crds"))
    release.kubectl(*crds)
    gone = ("delete", "namespace", space, "--ignore-not-found", "--timeout=150s")
    release.kubectl(*gone, seconds=160)  # of an earlier run
    release.kubectl("create", "namespace", space)
    release.kubectl("label", "namespace", space, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield release
    finally:
        helm("uninstall", name, "--namespace", space)
        release.kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=false")


@contextmanager
def installed(space: str, *values: str) -> Iterator[Release]:
    """A namespace with the operator in it."""
    with namespace(space) as release:
        release.install(*values)
        yield release
