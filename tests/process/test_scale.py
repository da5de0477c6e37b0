"""A cluster grows, shrinks and gets a new disk under load, with a node killed in every phase."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

import httpx
import pytest

from apomixis_ring.reading import loads
from cluster import APOMIXIS, Cluster
from pictures import noise

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]
PHOTOGRAPHS = 500
QUICK = {
    "APOMIXIS_GOSSIP_INTERVAL": "0.5",
    "APOMIXIS_DEAD_AFTER": "5",
    "APOMIXIS_SUSPECT_FOR": "2",
    "APOMIXIS_PEER_TIMEOUT": "5",
    "APOMIXIS_VERIFY_RATE": "0",
}
JPEG = {"Content-Type": "image/jpeg"}


def run(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*APOMIXIS, *arguments, "--data", str(cluster.folder.path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Readers:
    """Clients that read and upload all the time, through whichever node answers."""

    def __init__(self, cluster: Cluster, pictures: dict[str, bytes]) -> None:
        self.cluster, self.pictures = cluster, pictures
        self.reads = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(i,)) for i in range(2)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self, seed: int) -> None:
        dice = random.Random(seed)
        while not self._stop.is_set():
            image_id = dice.choice(list(self.pictures))
            self._read(dice, image_id)
            if dice.random() < 0.1:
                self._upload(dice)
            time.sleep(0.01)

    def _urls(self, dice: random.Random) -> list[str]:
        urls = list(self.cluster.urls)
        return dice.sample(urls, len(urls))

    def _read(self, dice: random.Random, image_id: str) -> None:
        """As through a load balancer: a node that refuses the connection is not the answer."""
        said = []
        for url in self._urls(dice):
            try:
                answer = httpx.get(f"{url}/image/{image_id}/full/x.jpg", timeout=30)
            except httpx.TransportError as broken:
                said.append(f"{url} {broken!r}")
                continue
            if answer.status_code == 200 and answer.content == self.pictures[image_id]:
                self.reads += 1
                return
            said.append(f"{url} {answer.status_code} {answer.text[:200]}")
            if answer.status_code != 503:
                break
        self.failed.append(f"{image_id}: {said}")

    def _upload(self, dice: random.Random) -> None:
        data = noise(48, 32)
        url = self._urls(dice)[0]
        try:
            answer = httpx.post(url, content=data, headers=JPEG, timeout=30)
        except httpx.TransportError:
            return
        if answer.status_code == 201:
            self.pictures[answer.json()["hash"]] = data


def filled(cluster: Cluster) -> dict[str, bytes]:
    found = {}
    with httpx.Client(timeout=60) as client:
        for i in range(PHOTOGRAPHS):
            data = noise(48, 32)
            answer = client.post(cluster.urls[i % 3], content=data, headers=JPEG)
            assert answer.status_code == 201, answer.text
            found[answer.json()["hash"]] = data
    return found


def killed(cluster: Cluster) -> None:
    entry = random.Random(1).choice([e for e in cluster.nodes if e.pid is not None])
    assert entry.pid is not None
    os.kill(entry.pid, signal.SIGKILL)


def stable(cluster: Cluster, nodes: int) -> bool:
    ring = loads(cluster.folder.ring_file.read_text())
    names = {m.name for m in ring.members}
    there = {e.name for e in cluster.nodes if e.pid is not None}
    return ring.pending is None and len(names) == nodes and there == names


def clean(cluster: Cluster) -> bool:
    secret = {"Authorization": f"Bearer {cluster.folder.secret()}"}
    for entry in cluster.nodes:
        try:
            report = httpx.get(f"{entry.internal_url}/report", headers=secret, timeout=10).json()
        except httpx.TransportError:
            return False
        if report["leftovers"] != 0 or not report["caughtUp"]:
            return False
    return True


def on_their_owners(cluster: Cluster, pictures: dict[str, bytes]) -> None:
    ring = loads(cluster.folder.ring_file.read_text())
    held = {
        e.name: {p.stem for p in (Path(e.data) / "originals").rglob("*.jpg")} for e in cluster.nodes
    }
    for image_id in pictures:
        owners = {m.name for m in ring.owners(image_id)}
        assert {name for name, ids in held.items() if image_id in ids} == owners


def test_3_5_4_3_under_load_with_a_kill_in_every_phase(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", zones=("a", "b", "c"), environment=QUICK) as cluster:
        pictures = filled(cluster)
        load = Readers(cluster, pictures)
        try:
            for nodes in (5, 4, 3):
                assert run(cluster, "scale", str(nodes)).returncode == 0
                cluster.wait(
                    lambda: loads(cluster.folder.ring_file.read_text()).pending is not None,
                    "a transition to begin",
                )
                told = json.loads(run(cluster, "status", "--json").stdout)
                assert told["ring"]["epoch"] >= 1
                killed(cluster)
                cluster.wait(partial(stable, cluster, nodes), f"{nodes} nodes", seconds=120)
        finally:
            load.stop()
        assert load.failed == []
        assert load.reads > 100
        cluster.wait(lambda: clean(cluster), "leftovers to be dropped")
        on_their_owners(cluster, pictures)
        assert len(pictures) > PHOTOGRAPHS


def test_a_lost_disk_is_replaced_and_a_mind_changed_half_way(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", environment=QUICK) as cluster:
        pictures = {}
        for _ in range(30):
            data = noise(48, 32)
            answer = httpx.post(cluster.urls[0], content=data, headers=JPEG)
            pictures[answer.json()["hash"]] = data
        before = loads(cluster.folder.ring_file.read_text())
        assert "no member" in run(cluster, "replace", "node-9").stderr
        assert run(cluster, "replace", "node-1").returncode == 0

        def replaced() -> bool:
            ring = loads(cluster.folder.ring_file.read_text())
            (old,) = [m for m in before.members if m.name == "node-1"]
            return ring.pending is None and old.key not in ring

        cluster.wait(replaced, "node-1 to be another incarnation", seconds=90)
        cluster.wait(lambda: clean(cluster), "all to have caught up")
        on_their_owners(cluster, pictures)
        assert (cluster.folder.path / "node-1.lost-1").is_dir()
        run(cluster, "scale", "5")
        cluster.wait_said("Proposing", seconds=60)
        run(cluster, "scale", "3")
        cluster.wait(lambda: stable(cluster, 3) and clean(cluster), "three nodes again", seconds=90)
        on_their_owners(cluster, pictures)


def test_rotten_bytes_are_mended_by_verify(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", environment=QUICK) as cluster:
        data = noise(64, 48)
        image_id = httpx.post(cluster.urls[0], content=data, headers=JPEG).json()["hash"]
        for entry in cluster.nodes[:2]:
            (path,) = (Path(entry.data) / "originals").rglob(f"{image_id}.jpg")
            path.write_bytes(b"rot" + data[3:])
        done = run(cluster, "verify")
        assert done.returncode == 0, done.stderr
        assert "1 bad, 1 mended" in done.stderr
        for entry in cluster.nodes:
            (path,) = (Path(entry.data) / "originals").rglob(f"{image_id}.jpg")
            assert path.read_bytes() == data
        bad = list((Path(cluster.nodes[0].data) / "quarantine").iterdir())
        assert [p.name for p in bad] == [f"{image_id}.jpg.replaced"]
        refused = run(cluster, "rebalance", "--epoch", "7")
        assert refused.returncode == 1
        assert "nothing to copy under 7" in refused.stderr
