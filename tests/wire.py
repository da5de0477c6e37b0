"""A connection to a node that is spoken to in bytes, for what no HTTP client would send."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster import Cluster

KIB, MIB = 1024, 1024 * 1024
WAIT_S = 30.0
GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass
class Answer:
    """One whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The code of an answer that is an error as the documents say."""
        content: dict[str, Any] = json.loads(self.body)
        assert content.keys() >= {"error", "detail"}
        return str(content["error"])


@dataclass
class Line:
    """One connection, spoken to in bytes."""

    socket: socket.socket

    def send(self, data: bytes) -> None:
        """All of it, or as much as is taken before the node hangs up."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def flood(self, first: bytes, again: bytes, most: int) -> int:
        """Send until the node hangs up; how much it took."""
        taken = 0
        try:
            self.socket.sendall(first)
            while taken < most:
                self.socket.sendall(again)
                taken += len(again)
        except (BrokenPipeError, ConnectionResetError):
            return taken
        return most

    def answer(self) -> Answer:
        """The next answer, whole."""
        response = HTTPResponse(self.socket)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())

    def ended(self) -> bool:
        """Wait for the node to hang up; False if it says anything more."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


@contextmanager
def line(node: Cluster, *, internal: bool = False) -> Iterator[Line]:
    """A connection to the first node's public or internal listener."""
    entry = node.nodes[0]
    where = urlsplit(entry.internal_url if internal else entry.public_url)
    address = (where.hostname or "", where.port or 0)
    with socket.create_connection(address, timeout=WAIT_S) as connection:
        yield Line(connection)


def healthy(node: Cluster) -> bool:
    """Whether the first node answers /healthz."""
    return httpx.get(f"{node.urls[0]}/healthz", timeout=WAIT_S).status_code == 200


def rss(node: Cluster) -> int:
    """Bytes of memory that the first node's own process holds."""
    pid = node.nodes[0].pid
    assert pid is not None
    return int(psutil.Process(pid).memory_info().rss)
