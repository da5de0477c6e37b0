"""A release from its first day to its last, on a real cluster with real images: installed with a
cluster, scaled, upgraded, its ring lost and its Secret restored as docs/backup.md says, removed.

Runs on `$KUBECONFIG` with OPERATOR_IMAGE and NODE_IMAGE, images that its machines have, and
APOMIXIS_REQUIRE_KUBE=1; STORAGE_CLASS names one where there is no default.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chart.rendering import CHART, ROOT, helm, tool
from chart.test_on_cluster import kubectl as on_cluster
from pictures import noise

SPACE = "apomixis-release-test"
PATIENCE_S = 150
OF_A_LIFE = {"uid", "resourceVersion", "ownerReferences", "creationTimestamp", "generation"}

pytestmark = pytest.mark.timeout(900)


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    answer = on_cluster(f"--namespace={SPACE}", *arguments, stdin=stdin)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def get(what: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", what, "-o=json"))
    return found


def eventually(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"{what}: {kubectl('get', 'apx,pods')}"
        time.sleep(2)


def settled(replicas: int) -> bool:
    cluster = get("apx/photos")
    status = cluster.get("status", {})
    seen = status.get("observedGeneration") == cluster["metadata"]["generation"]
    ready = (status.get("replicas"), status.get("readyReplicas"))
    return seen and status.get("phase") == "Ready" and ready == (replicas, replicas)


def picture(image_id: str) -> int:
    """Bytes answered, asked through the API server."""
    path = f"/api/v1/namespaces/{SPACE}/services/photos:80/proxy/image/{image_id}/full/photo.jpg"
    done = subprocess.run(
        [tool("kubectl", "https://kubernetes.io/docs/tasks/tools"), "get", "--raw", path],
        capture_output=True,
        timeout=60,
        check=False,
    )
    return len(done.stdout) if done.returncode == 0 else 0


def uploaded(photo: bytes) -> str:
    """The id of a picture, posted through a tunnel to the Service."""
    program = tool("kubectl", "https://kubernetes.io/docs/tasks/tools")
    command = [program, f"--namespace={SPACE}", "port-forward", "svc/photos", ":80"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tunnel:
        try:
            assert tunnel.stdout is not None
            address = tunnel.stdout.readline().split()[2]
            jpeg = {"Content-Type": "image/jpeg"}
            answer = httpx.post(f"http://{address}/", content=photo, headers=jpeg, timeout=30)
        finally:
            tunnel.terminate()
    assert answer.status_code == 201, answer.text
    return str(answer.json()["hash"])


def values(*more: str) -> list[str]:
    operator, node = (os.environ[name].rpartition(":") for name in ("OPERATOR_IMAGE", "NODE_IMAGE"))
    pairs = [f"image.repository={operator[0]}", f"image.tag={operator[2]}"]
    pairs += [f"nodeImage.repository={node[0]}", f"nodeImage.tag={node[2]}"]
    pairs += ["cluster.create=true", "cluster.spec.storage.size=1Gi", *more]
    if name := os.environ.get("STORAGE_CLASS"):
        pairs.append(f"cluster.spec.storage.storageClassName={name}")
    return [f"--set={','.join(pairs)}", "--namespace", SPACE]


@pytest.fixture(scope="module", autouse=True)
def namespace() -> Iterator[None]:
    wanted = ("KUBECONFIG", "OPERATOR_IMAGE", "NODE_IMAGE")
    there = all(os.environ.get(name) for name in wanted)
    if os.environ.get("APOMIXIS_REQUIRE_KUBE") != "1" or not there:
        pytest.skip(f"needs a cluster and images: {', '.join(wanted)}, APOMIXIS_REQUIRE_KUBE=1")
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "manifests/crds"))
    kubectl("create", "namespace", SPACE)
    kubectl("label", "namespace", SPACE, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield
    finally:
        helm("uninstall", "apomixis", "--namespace", SPACE)
        kubectl("delete", "namespace", SPACE, "--timeout=90s")


def kept(body: dict[str, Any]) -> str:
    """As the document says: without what belonged to the object's life."""
    about = {key: v for key, v in body["metadata"].items() if key not in OF_A_LIFE}
    return json.dumps({**{k: v for k, v in body.items() if k != "status"}, "metadata": about})


def test_a_release_from_its_first_day_to_its_last(tmp_path: Path) -> None:
    done = helm("install", "apomixis", CHART, *values("cluster.spec.replicas=3"))
    assert done.returncode == 0, done.stderr
    eventually(lambda: settled(3), "three nodes")
    tested = helm("test", "apomixis", "--namespace", SPACE)
    assert tested.returncode == 0, tested.stdout + tested.stderr

    photo = tmp_path / "photo.jpg"
    photo.write_bytes(noise(640, 480))
    image_id = uploaded(photo.read_bytes())
    length = photo.stat().st_size
    assert picture(image_id) == length

    kubectl("scale", "apx/photos", "--replicas=4")
    upgraded = helm("upgrade", "apomixis", CHART, *values())
    assert upgraded.returncode == 0, upgraded.stderr
    assert get("apx/photos")["spec"]["replicas"] == 4, "an upgrade keeps the count"
    eventually(lambda: settled(4), "four nodes")

    secret, cluster = get("secret/photos-internal"), get("apx/photos")
    kubectl("delete", "apx/photos")
    kubectl("wait", "pod", "-l=app.kubernetes.io/component=node", "--for=delete", "--timeout=150s")
    kubectl("scale", "deploy/apomixis-operator", "--replicas=0")
    kubectl("delete", "configmap/photos-ring", "secret/photos-internal")
    kubectl("apply", "-f", "-", stdin=kept(secret))
    kubectl("apply", "-f", "-", stdin=kept(cluster))
    kubectl("scale", "deploy/apomixis-operator", "--replicas=1")
    eventually(lambda: "status" in get("apx/photos") and settled(4), "the restored cluster")
    assert picture(image_id) == length

    gone = helm("uninstall", "apomixis", "--namespace", SPACE, "--wait")
    assert gone.returncode == 0, gone.stderr
    assert get("apx/photos")["spec"]["replicas"] == 4, "a cluster outlives its release"
    assert picture(image_id) == length
