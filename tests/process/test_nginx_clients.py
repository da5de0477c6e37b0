"""nginx in front of a node and its clients: slow ones, hasty ones, and what they accept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apomixis_node.cli.nginx import program
from cluster import free_port
from pair import CONDITIONS, PICTURES, Pair, pair
from pictures import noise
from wire import POST, Answer, line

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("nginx")]
STATIC = """
pid {folder}/static.pid; events {{ }}
http {{
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; access_log off;
  if_modified_since before; max_ranges 1;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "keys").write_text("key\n")
    yield from pair(
        folder / "images",
        APOMIXIS_UPLOAD_KEYS=str(folder / "keys"),
        APOMIXIS_UPLOAD_MIN_RATE="100000",
    )


def test_who_writes_everything_first_sees_why_it_was_refused(guarded: Pair) -> None:
    size = 20 * 1024 * 1024
    with line(guarded.cluster) as client:
        client.send(POST + f"Content-Length: {size}\r\n\r\n".encode())
        client.socket.sendall(bytes(size))  # without a look at what comes back: no pipe may break
        answer = client.answer()
    assert (answer.status, answer.error) == (401, "key_required")


def test_a_slow_upload_is_ended_at_the_nodes_least_rate(guarded: Pair) -> None:
    answer: Answer | None = None
    with line(guarded.cluster) as client:
        client.send(POST + b"Authorization: Bearer key\r\nContent-Length: 90000\r\n\r\n")
        client.socket.settimeout(0.5)
        for _ in range(60):
            client.send(b"x" * 100)
            with suppress(TimeoutError):
                answer = client.answer()
                break
    assert answer is not None
    assert (answer.status, answer.error) == (408, "too_slow")


def test_half_a_head_is_given_up(guarded: Pair) -> None:
    with line(guarded.cluster) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert client.ended()


def test_live_pages_are_live(guarded: Pair) -> None:
    with guarded.nginx.stream("GET", "/status/events", timeout=20) as answer:
        assert next(answer.iter_text()).startswith("event: status")


PARTS = st.sampled_from(
    [
        *("image/avif", "image/webp", "image/*", "*/*", "IMAGE/AVIF", "text/html", "image/avifx"),
        *(";q=0", ";q=0.0", ";q=0.", "; Q = 0 ", ";q=0.1", ";q=1", ";v=b3", ";q=00", ";q=.0", ";"),
        *(",", ", ", " ", "\t", "x"),
    ]
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(accept=st.lists(PARTS, max_size=8).map("".join).map(str.strip))
def test_both_read_accept_alike(guarded: Pair, accept: str) -> None:
    path = f"/image/{guarded.ids['photo']}/40w/x.auto"
    headers = {"Accept": accept}
    one, other = (c.get(path, headers=headers) for c in (guarded.nginx, guarded.node))
    assert one.headers["content-type"] == other.headers["content-type"]
    assert one.content == other.content


def test_the_node_decides_conditions_and_ranges_as_plain_nginx(
    guarded: Pair, tmp_path: Path
) -> None:
    image_id = guarded.ids["photo"]
    root = Path(guarded.cluster.nodes[0].data) / "originals" / image_id[:3]
    port = free_port(1)
    conf = tmp_path / "static.conf"
    conf.write_text(STATIC.format(folder=tmp_path, root=root, port=port))
    user = "user root;" if os.geteuid() == 0 else ""
    command = [program() or "", "-e", "stderr", "-c", str(conf), "-g", f"daemon off; {user}"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _compare(guarded, f"http://127.0.0.1:{port}/{image_id}.jpg", image_id)
    finally:
        server.terminate()
        server.wait(10)


def _compare(pair: Pair, static: str, image_id: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            whole = httpx.get(static, trust_env=False)
            break
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.05)
    words = {
        "{etag}": whole.headers["etag"],
        "{date}": whole.headers["last-modified"],
        "{old}": formatdate(0, usegmt=True),
    }
    for conditions in CONDITIONS:
        headers = {k: re.sub(r"\{\w+\}", lambda m: words[m[0]], v) for k, v in conditions.items()}
        for method in ("GET", "HEAD"):
            one = httpx.request(method, static, headers=headers, trust_env=False)
            other = pair.node.request(method, f"/image/{image_id}/full/x.jpg", headers=headers)
            assert one.status_code == other.status_code, headers
            for name in ("etag", "last-modified", "content-range", "accept-ranges"):
                if one.status_code < 400:
                    assert one.headers.get(name) == other.headers.get(name), (name, headers)
            if one.status_code < 400:
                assert one.content == other.content, headers


def test_nginx_ends_with_an_up_that_is_killed_outright(tmp_path: Path) -> None:
    running = pair(tmp_path / "images")
    found = next(running)
    master = psutil.Process(
        int((Path(found.cluster.nodes[0].data) / "nginx" / "nginx.pid").read_text())
    )
    found.cluster.process.send_signal(signal.SIGKILL)
    found.cluster.process.wait(20)
    gone, _ = psutil.wait_procs([master], timeout=20)
    assert gone
    running.close()


def test_pictures_are_uploaded_through_nginx(guarded: Pair) -> None:
    assert guarded.ids.keys() == PICTURES.keys()
    files = {"image": ("x.jpg", noise(30, 20), "image/jpeg")}
    answer = guarded.nginx.post("/", files=files, data={"key": "key"})
    assert answer.status_code == 201
    assert answer.json()["full_url"].startswith(str(guarded.nginx.base_url))
