"""A node killed at any moment: whole files or none, and everything acknowledged is there."""

from __future__ import annotations

import hashlib
import io
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cluster import Cluster
from pictures import noise

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
KILLS = 5


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "images", nodes=1, replication=1) as running:
        yield running


class Client:
    """Uploads and renders as fast as it can, and remembers what was acknowledged."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.acknowledged: dict[str, bytes] = {}
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def join(self) -> None:
        self.stop.set()
        self._thread.join(60)

    def _work(self) -> None:
        while not self.stop.is_set():
            try:
                self._one(noise(120, 90))
            except httpx.HTTPError:
                time.sleep(0.02)

    def _one(self, data: bytes) -> None:
        headers = {"Content-Type": "image/jpeg"}
        answer = httpx.post(self.url, content=data, headers=headers, timeout=20, trust_env=False)
        if answer.status_code == 201:
            image_id = answer.json()["hash"]
            self.acknowledged[image_id] = data
            httpx.get(f"{self.url}/image/{image_id}/40w/x.jpg", timeout=20, trust_env=False)


def files(data: Path) -> None:
    """Whatever has a name is whole."""
    for path in (data / "originals").rglob("*.jpg"):
        assert hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest() == path.stem
    for path in (data / "cache").rglob("*.jpg"):
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            image.load()


def test_whole_files_or_none_at_any_moment(cluster: Cluster) -> None:
    dice = random.Random(7)
    entry = cluster.nodes[0]
    client = Client(entry.public_url)
    try:
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.3, 1.2))
            cluster.kill(entry.name)
            files(Path(entry.data))
            cluster.wait_ready(entry.name)
    finally:
        client.join()
    cluster.wait(lambda: not list((Path(entry.data) / "tmp").iterdir()), "tmp/ to be empty")
    assert client.acknowledged, "something must have been acknowledged between the kills"
    for image_id, data in client.acknowledged.items():
        answer = httpx.get(f"{entry.public_url}/image/{image_id}/full/x.jpg", timeout=20)
        assert answer.content == data
