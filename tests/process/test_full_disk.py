"""A full disk, and one that can't be written: refused in words, nothing lost, nothing crashes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cluster import Cluster
from needs import need
from pictures import noise

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
JPEG = {"Content-Type": "image/jpeg"}
SETTINGS = {"APOMIXIS_RESERVE": "2MiB", "APOMIXIS_CACHE_SIZE": "1MiB"}


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, timeout=30, capture_output=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A volume of 12 MiB in the place of node-0's data."""
    need(os.geteuid() == 0, "Only root can mount a small volume.")
    data = tmp_path / "images" / "node-0"
    data.mkdir(parents=True)
    try:
        mount("-t", "tmpfs", "-o", "size=12m", "tmpfs", str(data))
    except subprocess.CalledProcessError as refused:
        need(False, f"This machine does not let root mount: {refused.stderr.decode()}")
    try:
        yield data
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True, timeout=30)


def post(url: str, data: bytes) -> httpx.Response:
    return httpx.post(url, content=data, headers=JPEG, timeout=60)


def test_one_node_with_a_full_disk(small: Path) -> None:
    with Cluster(small.parent, nodes=1, replication=1, environment=SETTINGS) as cluster:
        url = cluster.urls[0]
        kept: dict[str, bytes] = {}
        for _ in range(200):
            data = noise(700, 500)
            answer = post(url, data)
            if answer.status_code != 201:
                break
            kept[answer.json()["hash"]] = data
            httpx.get(f"{url}/image/{answer.json()['hash']}/300w/x.jpg", timeout=60)
        assert (answer.status_code, answer.json()["error"]) == (507, "disk_full")
        assert "node-0" in answer.json()["detail"]
        assert len(kept) > 5
        status = httpx.get(f"{url}/api/status").json()
        disk = status["nodes"][0]["disk"]
        assert disk["free"] - disk["reserve"] < 1024 * 1024
        for image_id, data in kept.items():
            assert httpx.get(f"{url}/image/{image_id}/full/x.jpg").content == data
            assert httpx.get(f"{url}/image/{image_id}/100w/x.jpg", timeout=60).status_code == 200
        assert not list((small / "tmp").iterdir())
        gone = list(kept)[: len(kept) // 2]
        for image_id in gone:
            assert httpx.delete(f"{url}/image/{image_id}").status_code == 200
        assert post(url, noise(700, 500)).status_code == 201
        for image_id in set(kept) - set(gone):
            assert httpx.get(f"{url}/image/{image_id}/full/x.jpg").content == kept[image_id]


def test_one_of_three_is_full_and_the_quorum_goes_on(small: Path) -> None:
    with Cluster(small.parent, environment=SETTINGS) as cluster:
        filler = small / "filler"
        with filler.open("wb") as file:
            file.write(bytes(11 * 1024 * 1024))
        answer = post(cluster.urls[0], noise(700, 500))
        assert answer.status_code == 507, "the node that takes it has no room to receive"
        data = noise(700, 500)
        answer = post(cluster.urls[1], data)
        assert answer.status_code == 201
        assert sorted(answer.json()["nodes"]) == ["node-1", "node-2"]
        for url in cluster.urls:
            found = httpx.get(f"{url}/image/{answer.json()['hash']}/full/x.jpg", timeout=30)
            assert found.content == data
        page = httpx.get(cluster.urls[1] + "/status", headers={"Accept": "text/html"}).text
        assert "taking no more originals: node-0" in page
        filler.unlink()
        assert post(cluster.urls[0], noise(700, 500)).status_code == 201


def test_a_disk_that_becomes_read_only(small: Path) -> None:
    with Cluster(small.parent, nodes=1, replication=1, environment=SETTINGS) as cluster:
        url = cluster.urls[0]
        data = noise(200, 150)
        image_id = post(url, data).json()["hash"]
        mount("-o", "remount,ro", str(small))
        refused = post(url, noise(200, 150))
        assert refused.status_code == 503
        assert "disk of node-0 fails" in refused.json()["detail"]
        assert httpx.get(f"{url}/image/{image_id}/full/x.jpg").content == data
        assert httpx.get(f"{url}/image/{image_id}/50w/x.jpg", timeout=60).status_code == 200
        assert httpx.get(f"{url}/healthz").status_code == 200
        mount("-o", "remount,rw", str(small))
        assert post(url, noise(200, 150)).status_code == 201
