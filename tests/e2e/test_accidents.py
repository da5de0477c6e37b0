"""What people and machines do to a cluster that is being read and written: nothing acknowledged is
lost, and while one holder of a picture is there, no read fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from e2e.disks import misplaced
from e2e.load import Load
from e2e.release import NODES, RefusedError, Release, installed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    # Without its guard, for these are the accidents that it prevents.
    with installed("e2e-accidents", "guard.enabled=false") as release:
        release.cluster(storage={"size": "1Gi", "reclaimPolicy": {"whenDrained": "Delete"}})
        release.wait_settled(3)
        yield release


@pytest.fixture(scope="module")
def load(release: Release) -> Iterator[Load]:
    with Load(release) as load:
        yield load


@pytest.fixture(autouse=True)
def nothing_fails(request: pytest.FixtureRequest, release: Release, load: Load) -> Iterator[None]:
    """Before and after every accident all is well; during it, whatever the accident allows."""
    yield
    if request.node.get_closest_marker("outage") is None:
        load.assert_no_read_failed()
        load.assert_no_write_failed()
    load.failed_reads.clear()
    load.failed_writes.clear()


def test_a_volume_that_a_person_calls_lost(release: Release, load: Load) -> None:
    before = release.incarnation("photos-1")
    release.annotate(replace="photos-1")
    release.wait_replaced("photos-1", before)
    release.annotate(replace="")
    load.wait()


def test_a_claim_deleted_under_a_running_pod(release: Release, load: Load) -> None:
    before = release.incarnation("photos-2")
    release.kubectl("delete", "pvc/data-photos-2", "--wait=false")
    release.wait_replaced("photos-2", before)
    load.wait()


def test_a_claim_and_its_pod_deleted(release: Release, load: Load) -> None:
    before = release.incarnation("photos-1")
    release.kubectl("delete", "pvc/data-photos-1", "--wait=false")
    release.kubectl("delete", "pod/photos-1", "--wait=false")
    release.wait_replaced("photos-1", before)
    load.wait()


@pytest.mark.parametrize("running", [True, False], ids=["operator up", "operator down"])
def test_the_ring_deleted(release: Release, load: Load, running: bool) -> None:
    before = release.ring()
    if not running:
        release.operator(running=False)
    release.kubectl("delete", "configmap/photos-ring")
    release.operator(running=True)
    release.eventually(lambda: release.there("configmap/photos-ring"), "a ring")
    release.wait_settled(3)
    assert release.ring().members == before.members
    assert release.ring().epoch >= before.epoch
    load.wait()


def test_two_operators(release: Release, load: Load, older: dict[str, str]) -> None:
    assert older, "kept before the ring moves on"
    release.kubectl("scale", "deploy/apomixis-operator", "--replicas=2")
    release.scale(4)
    release.wait_settled(4)
    release.kubectl("scale", "deploy/apomixis-operator", "--replicas=1")
    load.wait()


@pytest.fixture(scope="module")
def older(release: Release) -> dict[str, str]:
    """What is in the ring's ConfigMap when this is asked for first."""
    found: dict[str, str] = release.get("configmap/photos-ring")["data"]
    return found


@pytest.mark.parametrize("running", [True, False], ids=["operator up", "operator down"])
def test_an_older_copy_of_the_ring(
    release: Release, load: Load, older: dict[str, str], running: bool
) -> None:
    ring = release.ring()
    assert json.loads(older["ring.json"])["epoch"] < ring.epoch
    if not running:
        release.operator(running=False)
    patch = json.dumps({"data": older})
    release.kubectl("patch", "configmap/photos-ring", "--type=merge", "-p", patch)
    release.operator(running=True)
    release.eventually(lambda: release.ring().epoch >= ring.epoch, "a ring that is not older")
    release.wait_settled(4)
    assert release.ring().members == ring.members
    load.wait()


def test_a_leaving_node_that_dies(release: Release, load: Load) -> None:
    release.scale(3)
    release.eventually(lambda: release.ring().pending is not None, "a transition to three")
    release.kubectl("delete", "pod/photos-3", "--force", "--grace-period=0")
    release.wait_settled(3)
    load.wait()


@pytest.mark.parametrize("running", [True, False], ids=["operator up", "operator down"])
def test_the_secret_deleted(release: Release, load: Load, running: bool) -> None:
    secret = release.get("secret/photos-internal")
    if not running:
        release.operator(running=False)
    release.kubectl("delete", "secret/photos-internal")
    release.operator(running=True)
    release.eventually(lambda: release.blocked() == "SecretLost", "Blocked/SecretLost")
    load.wait()
    for life in ("uid", "resourceVersion", "creationTimestamp"):
        secret["metadata"].pop(life)
    release.apply(secret)
    release.wait_settled(3)


def test_the_stateful_set_deleted_but_not_its_pods(release: Release, load: Load) -> None:
    before = release.uids()
    release.kubectl("delete", "statefulset/photos", "--cascade=orphan")
    release.eventually(lambda: release.there("statefulset/photos"), "the StatefulSet")
    release.wait_settled(3)
    assert release.uids() == before
    load.wait()


@pytest.mark.outage
def test_the_stateful_set_deleted_with_its_pods(release: Release, load: Load) -> None:
    before = release.uids()
    release.kubectl("delete", "statefulset/photos")
    release.kubectl("wait", "pod", f"-l={NODES}", "--for=create", "--timeout=90s")
    release.eventually(lambda: not set(release.uids().values()) & set(before.values()), "new pods")
    release.wait_settled(3)
    release.eventually(lambda: load.upload(), "uploads again")


def test_everything_is_where_it_belongs(release: Release, load: Load) -> None:
    ids = list(load.acknowledged)
    release.eventually(lambda: not misplaced(release, ids), "every picture on exactly its owners")
    load.assert_all_there()


def test_no_secret_is_told(release: Release) -> None:
    key = release.get("secret/photos-internal")["data"]
    told = release.kubectl("logs", "-l=app.kubernetes.io/part-of=apomixis", "--tail=-1", "--prefix")
    for pod in release.pods():
        told += release.kubectl("logs", pod, "--all-containers", "--tail=-1")
    told += json.dumps(release.get("apx/photos")) + json.dumps(release.get("events"))
    assert len(told) > 10_000
    for value in key.values():
        for word in base64.b64decode(value).decode().split():
            assert word not in told


def test_the_internal_port_is_closed_without_the_secret(release: Release) -> None:
    path = "pods/{}:8081/proxy/ring"
    for pod in release.pods():
        with pytest.raises(RefusedError, match=r"Unauthorized|Forbidden|401|403|logged in"):
            release.raw(path.format(pod))
