"""Changes to a cluster that is being read and written: new images and settings, good ones and bad
ones. One pod at a time, and never past one that does not come up."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from e2e.load import Load
from e2e.release import OPERATOR, Release, installed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    with installed("e2e-updates") as release:
        release.cluster()
        release.wait_settled(3)
        yield release


@pytest.fixture(scope="module")
def load(release: Release) -> Iterator[Load]:
    with Load(release) as load:
        yield load


@pytest.fixture(autouse=True)
def nothing_fails(release: Release, load: Load) -> Iterator[None]:
    yield
    load.assert_no_read_failed()
    load.assert_no_write_failed()
    load.failed_reads.clear()
    load.failed_writes.clear()


def images(release: Release) -> set[str]:
    items = release.get("pods", labelSelector="app.kubernetes.io/component=node")["items"]
    return {c["image"] for pod in items for c in pod["spec"]["containers"]}


def changed(now: dict[str, str], before: dict[str, str]) -> set[str]:
    return {pod for pod, uid in now.items() if before.get(pod) != uid}


def test_a_new_operator_restarts_no_node(release: Release, load: Load) -> None:
    before, operators = release.uids(), release.get("pods", labelSelector=OPERATOR)["items"]
    following = os.environ["NEXT_NODE_IMAGE"].rpartition(":")
    release.upgrade(
        "podAnnotations.release=second",
        f"nodeImage.repository={following[0]}",
        f"nodeImage.tag={following[2]}",
    )
    deployment = "deploy/apomixis-operator"
    release.kubectl("rollout", "status", deployment, "--timeout=90s")
    after = release.get("pods", labelSelector=OPERATOR)["items"]
    assert after[-1]["metadata"]["uid"] != operators[0]["metadata"]["uid"]
    release.wait_settled(3)
    load.wait()
    assert release.uids() == before


def test_the_new_operators_image_under_load(release: Release, load: Load) -> None:
    """The upgrade above brought another default image: nodes follow it once that is wanted."""
    before = release.uids()
    release.patch(upgradePolicy="Auto")
    release.eventually(
        lambda: images(release) == {os.environ["NEXT_NODE_IMAGE"]}, "every pod on the new image"
    )
    release.wait_settled(3)
    assert changed(release.uids(), before) == set(before)
    load.wait()


def test_a_new_setting(release: Release, load: Load) -> None:
    before = release.uids()
    release.patch(renditions={"quality": 70})
    release.eventually(lambda: changed(release.uids(), before) == set(before), "new pods")
    release.wait_settled(3)
    load.wait()


@pytest.mark.parametrize(
    "spec",
    [
        {"image": "localhost/no-such-image:1", "imagePullPolicy": "Never"},
        {"uploads": {"keysSecretName": "no-such-secret"}},
        {"resources": {"requests": {"cpu": "900"}}},
        {"resources": {"requests": {"memory": "8Mi"}, "limits": {"memory": "8Mi"}}},
    ],
    ids=[
        "an image that is not there",
        "a Secret that is not there",
        "a machine that is not there",
        "memory that no node starts with",
    ],
)
def test_a_bad_change_disturbs_one_pod(
    release: Release, load: Load, spec: dict[str, dict[str, object]]
) -> None:
    before = release.uids()
    kept = release.get("apx/photos")["spec"]
    release.patch(**spec)
    release.eventually(lambda: len(not_ready(release)) == 1, "a pod that can't start")
    load.wait(30)
    assert len(not_ready(release)) == 1
    assert len(changed(release.uids(), before)) == 1, "the others were left alone"
    release.restore(kept)
    release.wait_settled(3)
    load.wait()


def not_ready(release: Release) -> list[str]:
    items = release.get("pods", labelSelector="app.kubernetes.io/component=node")["items"]
    return [
        pod["metadata"]["name"]
        for pod in items
        if not any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in pod["status"].get("conditions", [])
        )
    ]


def test_a_template_that_is_refused(release: Release, load: Load) -> None:
    before = release.uids()
    release.patch(podTemplate={"spec": {"tolerations": [{"operator": "no-such-operator"}]}})
    release.eventually(lambda: release.blocked() == "InvalidTemplate", "Blocked/InvalidTemplate")
    load.wait()
    assert release.uids() == before
    release.patch(podTemplate=None)
    release.wait_settled(3)


def test_volumes_grow(release: Release, load: Load) -> None:
    release.patch(storage={"size": "2Gi"})
    release.eventually(
        lambda: (
            {c["status"]["capacity"]["storage"] for c in release.get("pvc")["items"]} == {"2Gi"}
        ),
        "larger volumes",
    )
    release.wait_settled(3)
    load.wait()


def test_every_acknowledged_picture_is_there(load: Load) -> None:
    load.assert_all_there()
