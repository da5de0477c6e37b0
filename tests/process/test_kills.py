"""Nodes killed before, during and after uploads: 201 or 503 by quorum, and every 201 is kept.

Three copies of everything, two before 201; so one of the three nodes may be gone at any moment.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from cluster import Cluster
from pictures import noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("kills")]

JPEG = {"Content-Type": "image/jpeg"}
NOBODY = "1" * 40
# A frozen peer is waited for as long as `peer_timeout`, not for as long as a render may take.
PROMPT = {"APOMIXIS_PEER_TIMEOUT": "3", "APOMIXIS_WORKERS": "1"}
BOUND_S = 15.0  # the longest that any answer may take: half of what one render may


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=BOUND_S, trust_env=False) as one:
        yield one


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Nodes that are started again when they die."""
    folder = tmp_path_factory.mktemp("kills") / "images"
    with Cluster(folder, environment=PROMPT) as running:
        yield running


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def post(client: httpx.Client, url: str, data: bytes) -> httpx.Response:
    return client.post(url, content=data, headers=JPEG)


def post_slowly(
    client: httpx.Client, url: str, data: bytes, meanwhile: Callable[[], None]
) -> httpx.Response:
    """Send half, let something happen, send the rest; of unknown length, as from a pipe."""

    def halves() -> Iterator[bytes]:
        yield data[: len(data) // 2]
        meanwhile()
        yield data[len(data) // 2 :]

    return client.post(url, content=halves(), headers=JPEG)


def readable(client: httpx.Client, url: str, data: bytes) -> None:
    """A rendition first, which a node must get or make, then the original byte for byte."""
    small = client.get(f"{url}/image/{sha1(data)}/20s/x.jpg")
    assert small.status_code == 200, small.text
    answer = client.get(f"{url}/image/{sha1(data)}/full/x.jpg")
    assert answer.status_code == 200, answer.text
    assert answer.content == data


def status_of(client: httpx.Client, url: str, image_id: str) -> set[int]:
    paths = (f"image/{image_id}/20s/x.jpg", f"image/{image_id}/full/x.jpg", f"info/{image_id}")
    return {client.get(f"{url}/{path}").status_code for path in paths}


def refused_with(answer: httpx.Response, copies: int) -> None:
    assert answer.status_code == 503
    body = answer.json()
    assert (body["error"], body["copies"]) == ("quorum_not_met", copies)
    assert f" {copies} cop" in body["detail"]
    assert int(answer.headers["retry-after"]) >= 1


def _is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


def whole_files_only(cluster: Cluster) -> None:
    """Every original on every disk is what its name says, and nothing is left half-written."""
    for entry in cluster.nodes:
        tmp = Path(entry.data) / "tmp"
        # A node keeps what it took until owners that were away have it too.
        cluster.wait(partial(_is_empty, tmp), f"{tmp} to be empty")
        originals = [p for p in (Path(entry.data) / "originals").rglob("*") if p.is_file()]
        assert originals
        for file in originals:
            assert sha1(file.read_bytes()) == file.stem, file


def test_promises_are_exact_while_a_cluster_dies_node_by_node(
    tmp_path: Path, client: httpx.Client
) -> None:
    kept = [noise(90, 60) for _ in range(4)]
    with Cluster(tmp_path / "images", restart=False, environment=PROMPT) as dying:
        first, second, _ = dying.urls
        assert post(client, second, kept[0]).status_code == 201
        assert [status_of(client, url, NOBODY) for url in dying.urls] == [{404}] * 3

        answer = post_slowly(client, first, kept[1], lambda: dying.kill("node-2"))
        assert answer.status_code == 201
        assert sorted(answer.json()["nodes"]) == ["node-0", "node-1"]
        assert answer.json()["satisfied"] is False
        answer = post(client, second, kept[2])
        assert answer.status_code == 201
        info = client.get(f"{first}/info/{sha1(kept[2])}").json()
        assert (sorted(info["holders"]), info["unknown"]) == (["node-0", "node-1"], ["node-2"])
        for url in (first, second):
            assert status_of(client, url, NOBODY) == {404}, "two of three are certain"
            for picture in kept[:3]:
                readable(client, url, picture)

        refused = noise(90, 60)
        refused_with(post_slowly(client, first, refused, lambda: dying.kill("node-1")), 1)
        for _ in range(3):
            refused_with(post(client, first, noise(90, 60)), 1)
        refused_with(post(client, first, kept[0]), 1)  # again: no promise can be renewed
        assert status_of(client, first, NOBODY) == {503}, "one of three is no certainty"
        for picture in kept[:3]:
            readable(client, first, picture)
        states = [node["state"] for node in client.get(f"{first}/api/status").json()["nodes"]]
        assert states == ["alive", "unreachable", "unreachable"]

    with Cluster(tmp_path / "images", nodes=None, environment=PROMPT) as whole:
        assert post(client, whole.urls[2], refused).json()["satisfied"] is True
        for url in whole.urls:
            assert status_of(client, url, NOBODY) == {404}
            for picture in (*kept[:3], refused):
                readable(client, url, picture)
        whole_files_only(whole)


def test_an_owner_dies_while_many_uploads_run(cluster: Cluster, client: httpx.Client) -> None:
    pictures = [noise(160, 120) for _ in range(48)]
    stored: dict[int, int] = {}
    third = threading.Event()

    def upload(number: int) -> None:
        answer = post(client, cluster.urls[number % 2], pictures[number])
        stored[number] = answer.status_code
        if len(stored) > len(pictures) // 3:
            third.set()

    with ThreadPoolExecutor(6) as pool:
        uploads = [pool.submit(upload, number) for number in range(len(pictures))]
        assert third.wait(60)
        cluster.kill("node-2")
        for done in uploads:
            done.result()
    assert set(stored.values()) == {201}, "two of three are a quorum at every moment"
    for url in cluster.urls[:2]:
        for picture in pictures[::3]:
            readable(client, url, picture)
    cluster.wait_ready("node-2")
    for picture in pictures[::3]:
        readable(client, cluster.url("node-2"), picture)
    whole_files_only(cluster)


def test_the_node_that_took_the_upload_dies_right_after_it(
    cluster: Cluster, client: httpx.Client
) -> None:
    picture = noise(90, 60)
    assert post(client, cluster.url("node-0"), picture).status_code == 201
    cluster.kill("node-0")
    for name in ("node-1", "node-2"):
        readable(client, cluster.url(name), picture)
    cluster.wait_ready("node-0")
    readable(client, cluster.url("node-0"), picture)


def test_of_an_upload_whose_node_died_in_the_middle_nothing_is_seen(
    cluster: Cluster, client: httpx.Client
) -> None:
    picture = noise(300, 200)
    with pytest.raises(httpx.TransportError):
        post_slowly(client, cluster.url("node-1"), picture, lambda: cluster.kill("node-1"))
    for name in ("node-0", "node-2"):
        assert status_of(client, cluster.url(name), sha1(picture)) == {404}
    cluster.wait_ready("node-1")
    assert status_of(client, cluster.url("node-1"), sha1(picture)) == {404}
    whole_files_only(cluster)
    assert post(client, cluster.url("node-1"), picture).status_code == 201


def test_a_frozen_owner_is_not_waited_for_as_long_as_a_render(
    cluster: Cluster, client: httpx.Client
) -> None:
    ring = cluster.folder.ring()
    assert ring is not None
    before = [noise(90, 60) for _ in range(9)]
    for picture in before:
        assert post(client, cluster.urls[0], picture).status_code == 201
    frozen = "node-1"
    first = [p for p in before if ring.owners(sha1(p))[0].name == frozen]
    assert first, "some pictures are asked of the frozen node first"
    pid = cluster.node(frozen).pid
    assert pid is not None
    others = [entry.public_url for entry in cluster.nodes if entry.name != frozen]
    late = noise(90, 60)
    os.kill(pid, signal.SIGSTOP)
    try:
        for url in others:
            readable(client, url, first[0])
        assert client.get(f"{others[0]}/info/{NOBODY}").status_code == 404
        answer = post(client, others[0], late)
        assert answer.status_code == 201
        assert frozen not in answer.json()["nodes"]
        for picture in (before[0], late):
            readable(client, others[1], picture)
    finally:
        os.kill(pid, signal.SIGCONT)
    # An owner that was passed over gets its copy as soon as it answers.
    folder = Path(cluster.node(frozen).data) / "originals"
    cluster.wait(lambda: any(folder.rglob(f"{sha1(late)}.*")), "the late copy to arrive")
