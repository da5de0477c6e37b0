"""Nodes killed before, during and after uploads: 201 or 503 by quorum, and every 201 is kept."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cluster import Cluster
from pictures import noise

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("kills")]
JPEG = {"Content-Type": "image/jpeg"}
PROMPT = {"APOMIXIS_WRITE_TIMEOUT": "5", "APOMIXIS_PEER_TIMEOUT": "3"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "images", restart=False, environment=PROMPT) as running:
        yield running


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def post(url: str, data: bytes) -> httpx.Response:
    return httpx.post(url, content=data, headers=JPEG, timeout=60)


def readable(url: str, data: bytes) -> None:
    answer = httpx.get(f"{url}/image/{sha1(data)}/full/x.jpg", timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.content == data
    small = httpx.get(f"{url}/image/{sha1(data)}/20s/x.jpg", timeout=60)
    assert small.status_code == 200, small.text


def again(cluster: Cluster) -> Cluster:
    cluster.stop()
    return Cluster(cluster.folder.path, nodes=None, environment=PROMPT)


def test_one_of_three_gone_before_an_upload(cluster: Cluster) -> None:
    before, after = noise(90, 60), noise(90, 60)
    assert post(cluster.urls[0], before).status_code == 201
    cluster.kill("node-2")
    answer = post(cluster.urls[0], after)
    assert answer.status_code == 201
    assert sorted(answer.json()["nodes"]) == ["node-0", "node-1"]
    assert answer.json()["satisfied"] is False
    for url in cluster.urls[:2]:
        readable(url, before)
        readable(url, after)
        missing = httpx.get(f"{url}/image/{'1' * 40}/full/x.jpg", timeout=60)
        assert missing.status_code == 404, "two of three are certain"
    info = httpx.get(f"{cluster.urls[0]}/info/{sha1(after)}", timeout=60).json()
    assert (sorted(info["holders"]), info["unknown"]) == (["node-0", "node-1"], ["node-2"])
    with again(cluster) as whole:
        for url in whole.urls:
            readable(url, before)
            readable(url, after)


def test_two_of_three_gone_nothing_is_promised_and_nothing_denied(cluster: Cluster) -> None:
    before = noise(90, 60)
    assert post(cluster.urls[0], before).status_code == 201
    cluster.kill("node-1")
    cluster.kill("node-2")
    refused = post(cluster.urls[0], noise(90, 60))
    assert refused.status_code == 503
    assert refused.json()["error"] == "quorum_not_met"
    assert refused.json()["copies"] == 1
    assert int(refused.headers["retry-after"]) >= 1
    readable(cluster.urls[0], before)
    unknown = httpx.get(f"{cluster.urls[0]}/image/{'1' * 40}/full/x.jpg", timeout=60)
    assert (unknown.status_code, unknown.json()["error"]) == (503, "owners_unreachable")
    status = httpx.get(f"{cluster.urls[0]}/api/status", timeout=60).json()
    assert [n["state"] for n in status["nodes"]] == ["alive", "unreachable", "unreachable"]


def test_an_owner_dies_while_uploads_run(cluster: Cluster) -> None:
    pictures = [noise(200, 150) for _ in range(60)]
    answers: dict[int, int] = {}
    half = threading.Event()

    def upload(part: int) -> None:
        for i in range(part, len(pictures), 3):
            url = cluster.urls[i % 2]
            answers[i] = post(url, pictures[i]).status_code
            if len(answers) > len(pictures) // 3:
                half.set()

    threads = [threading.Thread(target=upload, args=(part,)) for part in range(3)]
    for thread in threads:
        thread.start()
    assert half.wait(60)
    cluster.kill("node-2")
    for thread in threads:
        thread.join(60)
    assert len(answers) == len(pictures)
    assert set(answers.values()) <= {201, 503}
    assert list(answers.values()).count(201) >= len(pictures) - 3
    acknowledged = [pictures[i] for i, status in answers.items() if status == 201]
    for picture in acknowledged[::4]:
        for url in cluster.urls[:2]:
            readable(url, picture)
    with again(cluster) as whole:
        for picture in acknowledged[::4]:
            for url in whole.urls:
                readable(url, picture)


def test_the_node_that_takes_the_upload_dies_right_after_it(cluster: Cluster) -> None:
    picture = noise(90, 60)
    assert post(cluster.urls[0], picture).status_code == 201
    cluster.kill("node-0")
    for url in cluster.urls[1:]:
        readable(url, picture)


def test_a_node_that_is_stopped_is_waited_for_but_not_for_ever(cluster: Cluster) -> None:
    before, during = noise(90, 60), noise(90, 60)
    assert post(cluster.urls[0], before).status_code == 201
    pid = cluster.node("node-1").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = post(cluster.urls[0], during)
        assert answer.status_code == 201
        assert "node-1" not in answer.json()["nodes"]
        for url in (cluster.urls[0], cluster.urls[2]):
            readable(url, before)
            readable(url, during)
    finally:
        os.kill(pid, signal.SIGCONT)
    cluster.wait(
        lambda: any((Path(cluster.node("node-1").data) / "originals").rglob(f"{sha1(during)}.*")),
        "the late copy to arrive",
    )
