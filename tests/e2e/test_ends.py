"""Clusters and releases that end and begin again: what stays, what goes, and what comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from e2e.disks import misplaced
from e2e.load import Load, door
from e2e.release import NODES, Release, installed, namespace
from pictures import noise

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

BRIEF = 0.0003
"""Days that a delete is remembered where a test waits for them: 26 seconds."""


@pytest.fixture
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    """Of each test its own, so that none waits for the last one's namespace to go."""
    name = request.node.name.removeprefix("test_").replace("_", "-")
    with installed(f"e2e-{name[:20].strip('-')}") as release:
        yield release


def uploaded(release: Release, count: int) -> Load:
    """Pictures of a cluster that is settled, uploaded and left alone."""
    load = Load(release, writes=False)
    with load:
        for _ in range(count):
            assert load.upload(), load.failed_writes
    return load


KEY = {"Authorization": "Bearer key-of-the-tests-0123456789abcdef"}
KEYS = """
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {web: key-of-the-tests-0123456789abcdef}
"""


def ended(release: Release) -> None:
    """Delete the cluster and see its pods go."""
    release.kubectl("delete", "apx/photos", "--timeout=60s")
    release.kubectl("wait", "pod", f"-l={NODES}", "--for=delete", "--timeout=150s", seconds=160)


def test_a_deleted_cluster_comes_back_with_its_pictures(release: Release) -> None:
    release.cluster()
    release.wait_settled(3)
    load = uploaded(release, 20)
    ended(release)
    assert len(release.get("pvc")["items"]) == 3, "whenDeleted: Retain is the default"
    assert release.there("configmap/photos-ring")
    release.cluster()
    release.wait_settled(3)
    load.wait_for_the_door()
    load.assert_all_there()
    assert not misplaced(release, load.acknowledged)

    release.patch(storage={"reclaimPolicy": {"whenDeleted": "Delete"}})
    release.eventually(
        lambda: all("ownerReferences" in c["metadata"] for c in release.get("pvc")["items"]),
        "volumes that go with the cluster",
    )
    ended(release)
    release.eventually(lambda: not release.get("pvc")["items"], "no volumes")
    release.eventually(lambda: not release.there("configmap/photos-ring"), "no ring")


def test_a_release_under_another_name(release: Release) -> None:
    release.cluster()
    release.wait_settled(3)
    load = uploaded(release, 5)
    before = release.uids()
    release.helm("uninstall", "apomixis", "--wait")
    load.assert_all_there()
    release.name = "pictures"
    release.install()
    release.eventually(lambda: release.settled(3), "the new operator's word")
    assert release.uids() == before
    release.scale(4)
    release.wait_settled(4)
    release.helm("uninstall", "pictures", "--wait")
    ended(release)
    assert len(release.get("pvc")["items"]) == 4, "nothing hangs, and whenDeleted is Retain"
    release.name = "apomixis"


def test_what_was_deleted_stays_deleted(release: Release) -> None:
    """Volumes of drained nodes stay, and hold pictures that are deleted meanwhile."""
    release.apply(KEYS)
    release.cluster(5, tombstoneDays=BRIEF, uploads={"keysSecretName": "keys"})
    release.wait_settled(5)
    with httpx.Client(base_url=door(), headers={"Host": release.host, **KEY}) as client:
        ids = _posted(client, 30)
        release.scale(3)
        release.wait_settled(3)
        assert len(release.get("pvc")["items"]) == 5, "whenDrained: Retain is the default"
        for image_id in ids[:15]:
            assert client.delete(f"/image/{image_id}").status_code in (200, 204)
        time.sleep(BRIEF * 86_400 + 5)
        release.kubectl("create", "job", "verified", "--from=cronjob/photos-verify")
        release.kubectl("wait", "job/verified", "--for=condition=Complete", "--timeout=90s")

        ended(release)
        release.cluster(3, tombstoneDays=BRIEF, uploads={"keysSecretName": "keys"})
        release.wait_settled(3)
        release.scale(5)
        release.wait_settled(5)
        for image_id in ids[:15]:
            assert client.get(f"/image/{image_id}/full/x.jpg").status_code in (404, 410)
        for image_id in ids[15:]:
            assert client.get(f"/image/{image_id}/full/x.jpg").status_code == 200
    assert not misplaced(release, ids[15:])


def _posted(client: httpx.Client, count: int) -> list[str]:
    ids = []
    for _ in range(count):
        answer = client.post("/", content=noise(60, 40), headers={"Content-Type": "image/jpeg"})
        assert answer.status_code == 201, answer.text
        ids.append(str(answer.json()["hash"]))
    return ids


def test_a_namespace_deleted_without_an_operator() -> None:
    with namespace("e2e-gone") as release:
        release.install()
        release.cluster()
        release.wait_settled(3)
        release.operator(running=False)
        release.kubectl("delete", "namespace", release.space, "--timeout=180s", seconds=200)


def test_two_releases(release: Release) -> None:
    with installed("e2e-ends-too") as other:
        release.cluster(1, replicationFactor=1)
        other.cluster(1, replicationFactor=1)
        release.wait_settled(1)
        other.wait_settled(1)
        before = other.uids()
        ours = uploaded(release, 3)
        release.scale(2)
        release.wait_settled(2)
        ours.assert_all_there()
        assert other.uids() == before
        assert other.ring().cluster != release.ring().cluster


def test_an_autoscaler_that_flaps(release: Release) -> None:
    release.cluster(4, rebalance={"scaleDownDelaySeconds": 3600})
    release.wait_settled(4)
    epoch, before = release.ring().epoch, release.uids()
    for replicas in (3, 4, 3, 4, 3):
        release.scale(replicas)
        time.sleep(3)
    release.scale(4)
    release.wait_settled(4)
    assert release.ring().epoch == epoch
    assert release.uids() == before
