"""Clients that open connections and say or read nothing: they cost little, and not for long."""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from apomixis_node.protocol import HardenedProtocol
from cluster import Cluster
from pictures import noise
from wire import GET, KIB, MIB, POST, WAIT_S, healthy, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("silence")]

IDLE = 2000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Cluster(tmp_path_factory.mktemp("silence") / "data", nodes=1) as cluster:
        yield cluster


def test_thousands_of_idle_connections_keep_nobody_out(node: Cluster) -> None:
    with ExitStack() as stack:
        lines = [stack.enter_context(line(node)) for _ in range(IDLE)]
        for client in lines[::2]:
            client.send(GET)  # half of them in the middle of a head
        answer = httpx.post(
            node.urls[0],
            content=noise(300, 200),
            headers={"Content-Type": "image/jpeg"},
            timeout=WAIT_S,
        )
        assert answer.status_code == 201, answer.text
        assert healthy(node)
        image_id = answer.json()["hash"]
        small = httpx.get(f"{node.urls[0]}/image/{image_id}/20w/x.jpg", timeout=WAIT_S)
        assert small.status_code == 200


def test_silence_ends(node: Cluster) -> None:
    """All at once, for each takes the ten seconds that it is given."""
    with ExitStack() as stack:
        idle, half, dripping, second, unread, raw, form = (
            stack.enter_context(line(node)) for _ in range(7)
        )
        inner = stack.enter_context(line(node, internal=True))
        half.send(GET)
        inner.send(GET)
        second.send(GET + b"\r\n")
        assert second.answer().status == 200
        second.send(GET)
        unread.send(b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        assert unread.answer().status == 404
        raw.send(POST + b"Content-Length: 10000\r\n\r\nx")
        kind = b"Content-Type: multipart/form-data; boundary=B\r\n"
        form.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + kind + b"Content-Length: 999\r\n\r\n--B\r\n")
        dripping.send(GET)
        deadline = time.monotonic() + WAIT_S
        dripping.socket.settimeout(0.5)
        while time.monotonic() < deadline:
            dripping.send(b"x")
            unread.send(b"x")
            raw.send(b"x")
            with suppress(TimeoutError):
                data = dripping.socket.recv(64 * KIB)
                assert data.startswith(b"HTTP/1.1 408 ")
                break
        for client in (idle, half, second, inner, raw, form):
            answer = client.answer()
            assert (answer.status, answer.error) == (408, "too_slow")
        for client in (idle, half, second, inner, unread):
            assert client.ended()
    assert healthy(node)


class Impatient(HardenedProtocol):
    write_seconds = 0.2


async def test_who_reads_nothing_is_hung_up_on() -> None:
    gone = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": bytes(MIB), "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        gone.set()

    config = uvicorn.Config(app, http=Impatient, ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=KIB)
    writer.write(GET + b"\r\n")
    await asyncio.wait_for(gone.wait(), WAIT_S)
    with suppress(ConnectionResetError):
        assert len(await reader.read()) < 64 * MIB
    writer.close()
    server.close()
