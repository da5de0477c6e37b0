"""`apomixis up` with real nodes: started, watched, started again, ended; and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from apomixis_node.cli.sample import sample
from apomixis_ring.reading import loads
from cluster import APOMIXIS, Cluster, alive, free_port

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("up")]


def pids(cluster: Cluster) -> list[int]:
    return [entry.pid for entry in cluster.nodes if entry.pid is not None]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("APOMIXIS_")}
    return subprocess.run(
        [*APOMIXIS, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=env | {"COLUMNS": "200"} | environment,
    )


def stored(url: str) -> str:
    answer = httpx.post(url, content=sample(), headers={"Content-Type": "image/jpeg"}, timeout=60)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["hash"])


def test_three_nodes_start_take_a_picture_and_end_cleanly(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", zones=("a", "b")) as cluster:
        assert [entry.zone for entry in cluster.nodes] == ["a", "b", "a"]
        image_id = stored(cluster.urls[0])
        for url in cluster.urls:
            answer = httpx.get(f"{url}/image/{image_id}/full/picture.jpg")
            assert hashlib.sha1(answer.content).hexdigest() == image_id  # noqa: S324
        started = pids(cluster)
        assert cluster.interrupt() == 0
        assert not any(alive(pid) for pid in started)
        assert [entry.pid for entry in cluster.nodes] == [None, None, None]
        assert "Traceback" not in cluster.said


def test_files_for_scripts_are_true_and_the_secret_is_private(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", nodes=2, replication=2) as cluster:
        folder = cluster.folder
        assert stat.S_IMODE(folder.secret_file.stat().st_mode) == 0o600
        told = json.loads(folder.cluster_file.read_text())
        assert told["cluster"] == "apomixis"
        assert set(told["nodes"][0]) == {
            *("name", "public_url", "internal_url", "zone", "pid", "data")
        }
        for entry in cluster.nodes:
            secret = {"Authorization": f"Bearer {folder.secret()}"}
            who = httpx.get(f"{entry.internal_url}/identity", headers=secret).json()
            assert (who["name"], who["url"]) == (entry.name, entry.internal_url)
            assert f"{who['name']}@{who['incarnation']}" in loads(folder.ring_file.read_text())
            assert (Path(entry.data) / "identity.json").exists()
            assert httpx.get(f"{entry.internal_url}/identity").status_code == 401


def test_a_node_that_dies_starts_again_with_the_ring(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images") as cluster:
        image_id = stored(cluster.urls[1])
        before = cluster.node("node-1").pid
        cluster.kill("node-1")
        cluster.wait_said("node-1 is back.")
        cluster.wait_ready("node-1")
        assert cluster.node("node-1").pid != before
        assert "node-1 was ended by SIGKILL; it starts again in" in cluster.said
        assert httpx.get(f"{cluster.urls[1]}/image/{image_id}/200s/x.jpg").status_code == 200


def test_without_restart_a_dead_node_stays_down_and_the_last_one_ends_it_all(
    tmp_path: Path,
) -> None:
    with Cluster(tmp_path / "images", nodes=2, restart=False) as cluster:
        cluster.kill("node-0")
        cluster.wait_said("node-0 was ended by SIGKILL; it stays down.")
        assert cluster.node("node-0").pid is None
        assert httpx.get(f"{cluster.urls[1]}/healthz").status_code == 200
        pid = cluster.node("node-1").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert cluster.process.wait(30) == 1
        assert "No node is left running" in cluster.said


def test_the_same_folder_goes_on_with_the_ring_and_the_pictures(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", nodes=4, replication=2, zones=("x", "y")) as cluster:
        image_id = stored(cluster.urls[3])
        ring = cluster.folder.ring_file.read_text()
        urls = cluster.urls
    with Cluster(tmp_path / "images", nodes=None) as again:
        assert again.urls == urls
        assert again.folder.ring_file.read_text() == ring
        assert [entry.zone for entry in again.nodes] == ["x", "y", "x", "y"]
        assert httpx.get(f"{urls[0]}/image/{image_id}/full/x.jpg").content == sample()
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(45) == 0


def test_other_ports_are_the_next_epoch_of_the_same_owners(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images") as cluster:
        image_id = stored(cluster.urls[0])
        before = loads(cluster.folder.ring_file.read_text())
    with Cluster(tmp_path / "images", port=free_port(3)) as moved:
        after = loads(moved.folder.ring_file.read_text())
        assert (after.epoch, after.current) == (before.epoch + 1, before.current)
        assert [m.url for m in after.members] == [entry.internal_url for entry in moved.nodes]
        for url in moved.urls:
            assert httpx.get(f"{url}/image/{image_id}/100w/x.jpg").status_code == 200


def test_another_shape_than_the_rings_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", nodes=2) as cluster:
        data = str(cluster.folder.path)
        refused = run("up", "--data", data)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"Another `apomixis up` (process {cluster.process.pid}) runs" in refused.stderr
    for option, wrong in (("--nodes", "3"), ("--replication", "1"), ("--zones", "a,b")):
        refused = run("up", "--data", data, option, wrong)
        assert refused.returncode == 1
        assert f"was made with {option}" in refused.stderr


def test_a_busy_port_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    port = free_port(2)
    with socket.create_server(("127.0.0.3", port + 101)):
        refused = run("up", "--nodes", "2", "--port", str(port), "--data", str(tmp_path / "images"))
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert f"node-1 can't listen on 127.0.0.3:{port + 101}: Address already in use" in line
    assert "--port" in line
    assert not (tmp_path / "images" / "node-0").exists()


def test_wrong_settings_of_the_nodes_stop_the_start_with_their_sentence(tmp_path: Path) -> None:
    port = str(free_port(2))
    folder = str(tmp_path / "images")
    refused = run("up", "--nodes=2", "--port", port, "--data", folder, APOMIXIS_MAX_BYTES="many")
    assert refused.returncode == 1
    assert "APOMIXIS_MAX_BYTES" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_blank_volume_under_a_known_name_is_said_aloud(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images") as cluster:
        image_id = stored(cluster.urls[0])
        ring = cluster.folder.ring_file.read_text()
    cluster.folder.data("node-2").rename(tmp_path / "lost")
    with Cluster(tmp_path / "images") as again:
        again.wait_said("node-2 starts on another volume")
        assert again.folder.ring_file.read_text() == ring
        answer = httpx.get(f"{again.urls[2]}/image/{image_id}/full/x.jpg")
        assert answer.content == sample()


def test_nodes_end_when_up_is_killed_and_the_folder_can_be_used_again(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "images", nodes=2)
    cluster.start()
    orphans = pids(cluster)
    cluster.process.kill()
    cluster.process.wait()
    with Cluster(tmp_path / "other", nodes=1) as other:  # whose life bounds the waiting
        other.wait(lambda: not any(alive(pid) for pid in orphans), "orphans to end")
    with Cluster(tmp_path / "images", nodes=2) as again:
        assert set(pids(again)).isdisjoint(orphans)


def test_a_second_interrupt_does_not_wait_for_slow_uploads(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", nodes=1) as cluster:
        host, port = cluster.urls[0].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
                b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
            )
            assert b"100 Continue" in slow.recv(100)  # the upload is under way
            cluster.process.send_signal(signal.SIGINT)
            cluster.wait_said("Ctrl-C again")
            node = pids(cluster)
            assert cluster.interrupt() == 0
        assert not any(alive(pid) for pid in node)


def test_the_sample_is_there_to_look_at_without_its_cameras_secrets(tmp_path: Path) -> None:
    with Cluster(tmp_path / "images", arguments=["--sample"]) as cluster:
        cluster.wait_said("full/sample.auto")
        urls = re.findall(r"http://\S+\.auto", cluster.said)
        assert len({url.split("/image/")[0] for url in urls}) == 3
        for url in urls:
            answer = httpx.get(url, timeout=30)
            assert answer.status_code == 200
            assert b"Sample Camera" not in answer.content
