"""Calls between members: what an answer means when the ring changes meanwhile."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from apomixis_node.access import Secrets
from apomixis_node.epochs import Rings
from apomixis_node.metrics import Metrics
from apomixis_node.peers import Peers, RingChangedError, UnreachableError
from apomixis_node.settings import Settings
from apomixis_ring.model import PARTITIONS, Member, Ring
from rings import ring

ONE = ring(partitions=PARTITIONS)
TWO = replace(ONE, epoch=2)


@contextmanager
def answering(member: Member, newer: Ring) -> Iterator[str]:
    """A listener that answers one request with 409 and its newer ring; its URL."""
    body = json.dumps({"error": "stale_epoch", "detail": "", "ring": newer.to_json()}).encode()
    head = (
        f"HTTP/1.1 409 Conflict\r\nApomixis-Member: {member.key}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(65536)
                line.sendall(head + body)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def peers(tmp_path: Path, rings: Rings) -> Peers:
    secret = tmp_path / "secret"
    secret.write_text("a-secret-of-some-length\n")
    settings = Settings(name="n", secret_file=secret, data=tmp_path)
    return Peers("n@i", rings, Secrets(secret), settings, Metrics())


@pytest.mark.parametrize("known", [ONE, TWO], ids=["learned-from-the-answer", "adopted-meanwhile"])
async def test_a_newer_ring_in_an_answer_means_to_ask_again(known: Ring, tmp_path: Path) -> None:
    """Also where it was adopted by another way while the answer was under way."""
    rings = Rings(tmp_path, known)
    member = ONE.members[0]
    with answering(member, TWO) as url:
        caller = peers(tmp_path, rings)
        with pytest.raises(RingChangedError):
            await caller.call(replace(member, url=url), "GET", "/held/x", ring=ONE)
        await caller.close()
    assert rings.epoch == 2


async def test_another_ring_at_the_same_epoch_is_no_answer(tmp_path: Path) -> None:
    member = ONE.members[0]
    with answering(member, TWO) as url:
        caller = peers(tmp_path, Rings(tmp_path, TWO))
        with pytest.raises(UnreachableError, match="disagrees"):
            await caller.call(replace(member, url=url), "GET", "/held/x", ring=TWO)
        await caller.close()
