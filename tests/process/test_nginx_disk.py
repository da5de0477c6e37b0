"""What nginx finds on a node's disk is what the node would show now, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pair import Pair, flagged, pair
from pictures import noise

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("nginx")]
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from pair(tmp_path_factory.mktemp("disk") / "images")


def data(pair: Pair) -> Path:
    return Path(pair.cluster.nodes[0].data)


def stored(pair: Pair) -> str:
    answer = pair.nginx.post("/", content=noise(90, 60), headers=JPEG)
    return str(answer.json()["hash"])


def original(pair: Pair, image_id: str) -> Path:
    return data(pair) / "originals" / image_id[:3] / f"{image_id}.jpg"


def test_bad_bytes_are_gone_at_once_with_all_that_was_made_of_them(plain: Pair) -> None:
    image_id = stored(plain)
    paths = [f"/image/{image_id}/{p}" for p in ("50w/x.jpg", "50w/x.auto", "full/x.jpg")]
    for path in paths:
        plain.hit(path)
    length = original(plain, image_id).stat().st_size
    original(plain, image_id).write_bytes(bytes(length))
    entry = plain.cluster.nodes[0]
    secret = {"Authorization": f"Bearer {plain.cluster.folder.secret()}"}
    asked = httpx.post(f"{entry.internal_url}/verify", headers=secret, timeout=30)
    assert asked.status_code < 300, asked.text
    bad = data(plain) / "quarantine" / f"{image_id}.jpg"
    plain.cluster.wait(bad.exists, "the bad bytes to be quarantined")
    for path in paths:
        assert plain.same(path).status_code == 503, "its only owner can't say"


def test_an_original_beside_a_newer_tombstone_is_not_shown(plain: Pair) -> None:
    """What a node that is killed in the middle of a delete leaves."""
    image_id = stored(plain)
    path = f"/image/{image_id}/full/x.jpg"
    plain.hit(path)
    original(plain, image_id).with_suffix(".gone").touch()
    assert plain.miss(path).status_code == 410


def test_a_leftover_is_no_answer(plain: Pair) -> None:
    image_id = stored(plain)
    path = f"/image/{image_id}/full/x.jpg"
    plain.hit(path)
    link = data(plain) / "front" / "owned" / image_id[:3]
    link.unlink()  # as when the partition became another's
    try:
        assert plain.miss(path).status_code == 200, "the node may say it"
    finally:
        link.symlink_to(original(plain, image_id).parent)


def test_files_and_folders_can_be_read_by_others(plain: Pair) -> None:
    image_id = stored(plain)
    plain.hit(f"/image/{image_id}/50w/x.auto")
    for name in ("cache", "originals"):
        for path in (data(plain) / name).rglob("*"):
            assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_while_the_node_is_down_nothing_is_served_and_it_is_said_why(plain: Pair) -> None:
    image_id = stored(plain)
    path = f"/image/{image_id}/50w/x.jpg"
    plain.hit(path)
    plain.cluster.kill("node-0")
    refused = plain.nginx.get(path)
    assert (refused.status_code, refused.json()["error"]) == (503, "not_ready")
    assert refused.headers["retry-after"] == "2"
    plain.cluster.wait_ready()
    plain.cluster.wait(lambda: flagged(data(plain)), "the flag")
    plain.hit(path)


def test_up_says_so_and_ends_it(tmp_path: Path) -> None:
    running = pair(tmp_path / "images")
    found = next(running)
    master = int((data(found) / "nginx" / "nginx.pid").read_text())
    assert f"nginx, {master}" in found.cluster.said
    processes = [psutil.Process(master), *psutil.Process(master).children()]
    assert next(running, None) is None
    assert not any(process.is_running() for process in processes)


def test_a_killed_nginx_starts_again(plain: Pair) -> None:
    master = int((data(plain) / "nginx" / "nginx.pid").read_text())
    assert psutil.Process(master).name() == "nginx"
    os.kill(master, signal.SIGKILL)
    plain.cluster.wait_said("nginx of node-0 was ended by SIGKILL")
    plain.cluster.wait_ready()
    assert plain.nginx.get("/readyz").status_code == 200


def test_a_file_is_never_seen_half(plain: Pair) -> None:
    image_id = plain.ids["photo"]
    path = f"/image/{image_id}/77w/x.jpg"
    whole = plain.hit(path).content
    cache = next((data(plain) / "cache").glob(f"*/*/{image_id}"))
    until = time.monotonic() + 2
    while time.monotonic() < until:
        shutil.rmtree(cache, ignore_errors=True)
        for _ in range(5):
            answer = plain.nginx.get(path)
            assert (answer.status_code, answer.content) == (200, whole)


SPICE = st.sampled_from(
    [
        *(
            "/",
            "//",
            "/./",
            "/../",
            "%2F",
            "%2e",
            "..",
            "%00",
            "%0d%0a",
            "?",
            "#",
            "?x=/image/",
            "\\",
        ),
        *("image", "full", "100w", "101w", "0100w", "x.jpg", "x.webp", "x.auto", ".jpg", ".gone"),
        *("originals", "front", "owned", "cache", "level-640.jpg", "about.json", ".originals"),
    ]
)
HEADS = st.sampled_from(
    [
        "Accept: image/avif",
        "If-Match: x",
        "If-None-Match: *",
        "Range: bytes=0-3",
        "X-Accel-Originals: /",
    ]
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "HEAD", "get", "POST", "OPTIONS", "DELETE"]),
    parts=st.lists(SPICE, max_size=4),
    place=st.integers(0, 5),
    heads=st.lists(HEADS, max_size=2, unique=True),
    version=st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/1.1", ""]),
    host=st.booleans(),
    absolute=st.booleans(),
)
def test_nginx_gives_no_file_that_the_node_would_have_refused(
    plain: Pair,
    method: str,
    parts: list[str],
    place: int,
    heads: list[str],
    version: str,
    host: bool,
    absolute: bool,
) -> None:
    if method == "DELETE":
        heads = [*heads, "Authorization: Bearer none"]
        parts = [*parts, "/never"]
    path = ["/image/", plain.ids["photo"], "/", "100w", "/", "x.jpg"]
    target = "".join([*path[:place], *parts, *path[place:]])
    target = f"http://a{target}" if absolute else target
    lines = [f"{method} {target} {version}".rstrip(), *(["Host: a"] if host else []), *heads]
    request = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
    where = urlsplit(str(plain.nginx.base_url))
    shown = _bytes(socket.create_connection((where.hostname or "", where.port or 0)), request)
    direct = socket.socket(socket.AF_UNIX)
    direct.connect(str(data(plain) / "public.sock"))
    own = _bytes(direct, request)
    if _is_file(shown):
        assert _is_file(own), (request, shown[:300], own[:300])
        assert shown.partition(b"\r\n\r\n")[2] == own.partition(b"\r\n\r\n")[2]


def _bytes(connection: socket.socket, request: bytes) -> bytes:
    with connection:
        connection.settimeout(20)
        connection.sendall(request)
        found = b""
        try:
            while chunk := connection.recv(65536):
                found += chunk
        except ConnectionResetError:
            pass
        return found


def _is_file(answer: bytes) -> bool:
    """A picture, whole or in part, or the word that the client has it already."""
    status = answer.split(b" ", 2)[1:2]
    return status in ([b"200"], [b"206"], [b"304"]) and b"filename*" in answer
