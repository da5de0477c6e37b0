"""A cluster from its first day through all its sizes, under a load of uploads and reads, while its
operator is killed at random moments."""

from __future__ import annotations

import io
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from PIL import Image

from e2e.disks import misplaced
from e2e.load import Load
from e2e.release import NODES, OPERATOR, RefusedError, Release, installed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    with installed("e2e-life") as release:
        release.cluster(storage={"size": "1Gi", "reclaimPolicy": {"whenDrained": "Delete"}})
        release.wait_settled(3)
        yield release


@pytest.fixture(scope="module")
def load(release: Release) -> Iterator[Load]:
    with Load(release) as load:
        yield load


@contextmanager
def an_operator_that_dies(release: Release, seed: int) -> Iterator[list[float]]:
    """Killed without a word every two to nine seconds."""
    chance, over, deaths = random.Random(seed), threading.Event(), list[float]()

    def kill() -> None:
        while not over.wait(chance.uniform(2, 9)):
            with suppress(RefusedError):
                release.kubectl("delete", "pod", f"-l={OPERATOR}", "--force", "--grace-period=0")
                deaths.append(time.monotonic())

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield deaths
    finally:
        over.set()
        killer.join()


def test_three_nodes_in_three_zones(release: Release) -> None:
    zones = {node["zone"] for node in release.status()["nodes"]}
    assert len(zones) == 3
    listed = release.kubectl("get", "apx")
    for column in ("DESIRED", "READY", "RF", "PHASE", "PROGRESS", "AVAILABLE", "AGE"):
        assert column in listed


def test_every_size_from_every_pod(release: Release, load: Load) -> None:
    image_id = load.upload()
    for pod in release.pods():
        for size, wanted in {
            "full": (120, 80),
            "60w": (60, 40),
            "40h": (60, 40),
            "40s": (40, 40),
            "60w30h": (45, 30),
            "50w30hc": (50, 30),
        }.items():
            path = f"pods/{pod}:8080/proxy/image/{image_id}/{size}/x.jpg"
            assert shape(release, path) == wanted, (pod, size)


def shape(release: Release, path: str) -> tuple[int, int]:
    data = release.raw(path)
    return Image.open(io.BytesIO(data)).size


def test_up_and_down_with_a_dying_operator(release: Release, load: Load) -> None:
    with an_operator_that_dies(release, seed=1) as deaths:
        release.scale(5)
        release.eventually(lambda: release.status().get("rebalance"), "a transition")
        release.eventually(lambda: release.ring().epoch == 2, "the new ring")
    release.wait_settled(5)
    load.wait()
    assert deaths
    with an_operator_that_dies(release, seed=2):
        release.scale(3)
        release.eventually(lambda: len(release.ring().members) == 3, "the smaller ring")
    release.wait_settled(3)
    load.wait()
    assert not release.there("pvc/data-photos-4"), "whenDrained: Delete"
    reasons = release.events()
    assert {"RingCreated", "WantedChanged", "Copying", "Stable"} <= set(reasons), reasons
    load.assert_no_read_failed()
    load.assert_no_write_failed()


def test_a_changed_mind(release: Release, load: Load) -> None:
    release.scale(5)
    release.eventually(lambda: release.ring().pending is not None, "a transition to five")
    release.scale(3)
    release.wait_settled(3)
    load.wait()
    load.assert_no_read_failed()
    load.assert_no_write_failed()


def test_a_deleted_pod(release: Release, load: Load) -> None:
    before = release.uids()
    release.kubectl("delete", "pod", "photos-1")
    old = before["photos-1"]
    release.eventually(lambda: release.uids().get("photos-1", old) != old, "another photos-1")
    release.wait_settled(3)
    load.wait()
    load.assert_no_read_failed()
    load.assert_no_write_failed()


def test_everything_is_where_it_belongs(release: Release, load: Load) -> None:
    ids = list(load.acknowledged)[:200]
    release.eventually(lambda: not misplaced(release, ids), "every picture on exactly its owners")
    load.assert_all_there()
    ready = release.kubectl("get", "pods", f"-l={NODES}", "--no-headers")
    assert len(ready.splitlines()) == 3
