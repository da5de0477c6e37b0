"""The chart on a real API server: the guard's refusals, the operator's rights, every sample.

No image is needed: no pod of these tests runs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from chart.rendering import CHART, ROOT, tool
from e2e.release import namespace

pytestmark = pytest.mark.cluster

SPACE = "e2e-chart"
OPERATOR = f"system:serviceaccount:{SPACE}:apomixis-operator"
LABELS = {"name": "apomixis", "instance": "photos", "component": "node"}
SAMPLES = sorted((ROOT / "manifests/samples").glob("*.yaml"))


def kubectl(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    program = tool("kubectl", "https://kubernetes.io/docs/tasks/tools")
    return subprocess.run(
        [program, "--request-timeout=30s", f"--namespace={SPACE}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def done(*arguments: str, stdin: str | None = None) -> str:
    answer = kubectl(*arguments, stdin=stdin)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def stateful_set(name: str, labels: dict[str, str]) -> str:
    """Of pods that no machine takes."""
    prefixed = {f"app.kubernetes.io/{key}": value for key, value in labels.items()}
    pod = {"containers": [{"name": "x", "image": "x"}], "nodeSelector": {"no-such-label": "1"}}
    body = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "serviceName": name,
            "selector": {"matchLabels": prefixed},
            "template": {"metadata": {"labels": prefixed}, "spec": pod},
        },
    }
    return yaml.safe_dump(body)


@pytest.fixture(scope="module", autouse=True)
def release() -> Iterator[None]:
    """The chart, installed in a namespace that is gone afterwards, a StatefulSet of nodes in it."""
    with namespace(SPACE) as release:
        release.helm("install", release.name, str(CHART))
        done("apply", "-f", "-", stdin=stateful_set("photos", LABELS))
        wait_for_the_guard()
        yield


def wait_for_the_guard() -> None:
    """API servers learn of a policy within a second or two."""
    for _ in range(40):
        if kubectl("scale", "sts/photos", "--replicas=1", "--dry-run=server").returncode != 0:
            return
    pytest.fail("the guard refuses nothing")


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("scale sts/photos --replicas=1", "kubectl scale apx/photos --replicas=1"),
        ("scale sts/photos --replicas=5", "kubectl scale apx/photos --replicas=5"),
        ("scale sts/photos --replicas=0", "spec.hibernate of apx/photos"),
        ("delete sts/photos", "kubectl delete apx/photos"),
        ("delete sts/photos --cascade=orphan", "kubectl delete apx/photos"),
        ("delete sts --all", "kubectl delete apx/photos"),
    ],
)
def test_the_guard_names_the_right_command(command: str, advice: str) -> None:
    answer = kubectl(*command.split(), "--dry-run=server")
    assert answer.returncode != 0
    assert advice in answer.stderr


def test_the_guard_refuses_a_patch_of_the_count_and_no_other() -> None:
    count, note = '{"spec":{"replicas":1}}', '{"metadata":{"annotations":{"note":"mine"}}}'
    assert "apx/photos" in kubectl("patch", "sts/photos", "--dry-run=server", "-p", count).stderr
    done("patch", "sts/photos", "-p", note)


def test_the_guard_lets_the_operator_pass() -> None:
    more = ("--as", OPERATOR, "--dry-run=server", "-p", '{"spec":{"replicas":1}}')
    done("patch", "sts/photos", *more)


def test_the_guard_looks_at_nobody_elses() -> None:
    done("apply", "-f", "-", stdin=stateful_set("other", {"name": "apomixis-like"}))
    done("scale", "sts/other", "--replicas=0")
    done("delete", "sts/other", "--wait=false")


@pytest.mark.parametrize(
    ("verb", "what", "may"),
    [
        ("list", "pods", "yes"),
        ("get", "secrets", "yes"),
        ("get", "nodes", "yes"),
        ("patch", "apomixisclusters --subresource=status", "yes"),
        ("list", "secrets", "no"),
        ("update", "secrets", "no"),
        ("delete", "secrets", "no"),
        ("create", "pods --subresource=exec", "no"),
        ("create", "pods", "no"),
        ("patch", "apomixisclusters", "no"),
        ("delete", "apomixisclusters", "no"),
        ("delete", "statefulsets", "no"),
        ("delete", "nodes", "no"),
        ("create", "rolebindings", "no"),
        ("list", "pods --namespace=kube-system", "no"),
        ("get", "secrets --namespace=kube-system", "no"),
    ],
)
def test_the_operators_rights(verb: str, what: str, may: str) -> None:
    answer = kubectl("auth", "can-i", verb, *what.split(), "--as", OPERATOR)
    assert answer.stdout.split()[-1] == may


@pytest.mark.parametrize(
    ("role", "verb", "what", "may"),
    [
        ("view", "watch", "apomixisclusters", "yes"),
        ("view", "patch", "apomixisclusters", "no"),
        ("edit", "create", "apomixisclusters", "yes"),
        ("edit", "patch", "apomixisclusters --subresource=scale", "yes"),
        ("edit", "patch", "apomixisclusters --subresource=status", "no"),
    ],
)
def test_users_rights_come_with_the_usual_roles(role: str, verb: str, what: str, may: str) -> None:
    body = done(
        "create",
        "rolebinding",
        role,
        f"--clusterrole={role}",
        f"--user={role}er",
        "--dry-run=client",
        "-o=yaml",
    )
    done("apply", "-f", "-", stdin=body)
    answer = kubectl("auth", "can-i", verb, *what.split(), "--as", f"{role}er")
    assert answer.stdout.split()[-1] == may


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_api_server_takes_every_sample(path: Path) -> None:
    done("apply", "--dry-run=server", "-f", str(path))


@pytest.mark.parametrize("folder", ["base", "overlays/cluster-wide"])
def test_the_api_server_takes_the_manifests(folder: str) -> None:
    built = done("kustomize", str(ROOT / "manifests" / folder)).replace("apomixis-system", SPACE)
    kept = [d for d in yaml.safe_load_all(built) if d["kind"] != "Namespace"]
    more = ("--server-side", "--force-conflicts", "--dry-run=server")
    done("apply", *more, "-f", "-", stdin=yaml.safe_dump_all(kept))
