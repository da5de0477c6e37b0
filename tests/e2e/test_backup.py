"""A release with a cluster from the chart's values: scaled, upgraded, its ring lost and its Secret
restored as docs/backup.md says, removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.load import Load
from e2e.release import NODES, Release, namespace

OF_A_LIFE = {"uid", "resourceVersion", "ownerReferences", "creationTimestamp", "generation"}

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    with namespace("e2e-backup") as release:
        yield release


def kept(body: dict[str, Any]) -> str:
    """As the document says: without what belonged to the object's life."""
    about = {key: v for key, v in body["metadata"].items() if key not in OF_A_LIFE}
    return json.dumps({**{k: v for k, v in body.items() if k != "status"}, "metadata": about})


def test_a_release_from_its_first_day_to_its_last(release: Release) -> None:
    spec = ("replicas=3", "storage.size=1Gi", f"ingress.host={release.host}")
    release.install("cluster.create=true", *(f"cluster.spec.{value}" for value in spec))
    release.wait_settled(3)
    release.helm("test", "apomixis")
    with Load(release, writes=False) as load:
        load.upload()
    load.assert_all_there()

    release.scale(4)
    release.upgrade("cluster.spec.replicas=null", "logLevel=debug")
    assert release.get("apx/photos")["spec"]["replicas"] == 4, "an upgrade keeps the count"
    release.wait_settled(4)

    secret, cluster = release.get("secret/photos-internal"), release.get("apx/photos")
    release.kubectl("delete", "apx/photos")
    release.kubectl("wait", "pod", f"-l={NODES}", "--for=delete", "--timeout=150s", seconds=160)
    release.operator(running=False)
    release.kubectl("delete", "configmap/photos-ring", "secret/photos-internal")
    release.apply(kept(secret))
    release.apply(kept(cluster))
    release.operator(running=True)
    release.wait_settled(4)
    load.wait_for_the_door()
    load.assert_all_there()

    release.helm("uninstall", "apomixis", "--wait")
    assert release.get("apx/photos")["spec"]["replicas"] == 4, "a cluster outlives its release"
    load.assert_all_there()
