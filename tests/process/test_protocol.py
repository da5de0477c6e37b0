"""Raw sockets against a real node: fat, malformed and smuggled requests."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from cluster import Cluster
from wire import CHUNKED, GET, KIB, MIB, POST, healthy, line, rss

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("protocol")]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("protocol") / "data", nodes=1) as cluster:
        yield cluster


@pytest.mark.parametrize("internal", [False, True])
def test_a_head_within_its_budget_is_taken_in_any_pieces(node: Cluster, internal: bool) -> None:
    head = GET + b"X: " + b"x" * 30 * KIB + b"\r\n\r\n"
    with line(node, internal=internal) as client:
        client.send(head)
        assert client.answer().status == 200
        for start in range(0, len(head), 1000):
            client.send(head[start : start + 1000])
        assert client.answer().status == 200


@pytest.mark.parametrize("internal", [False, True])
@pytest.mark.parametrize(
    "head",
    [
        GET + b"X: " + b"x" * 33 * KIB + b"\r\n\r\n",
        GET + b"X: y\r\n" * 10 * KIB + b"\r\n",
        b"GET /" + b"x" * 33 * KIB + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\n" + GET + b"X: " + b"x" * 33 * KIB + b"\r\n\r\n",
    ],
    ids=["one header", "many headers", "path", "after empty lines"],
)
def test_a_fat_head_is_refused(node: Cluster, head: bytes, internal: bool) -> None:
    with line(node, internal=internal) as client:
        client.send(head)
        answer = client.answer()
        assert (answer.status, answer.error) == (431, "head_too_large")
        assert client.ended()


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (GET + b"X: ", b"x" * 64 * KIB),
        (b"GET /", b"x" * 64 * KIB),
        (GET, b"x: y\r\n" * 10 * KIB),
        (CHUNKED + b"1\r\nx\r\n0\r\nX: ", b"x" * 64 * KIB),
        (CHUNKED + b"1;", b"x" * 64 * KIB),
    ],
    ids=["header", "path", "headers", "trailer", "chunk extension"],
)
def test_a_head_without_end_is_cut_off(node: Cluster, first: bytes, again: bytes) -> None:
    before = rss(node)
    with line(node) as client:
        assert client.flood(first, again, 64 * MIB) < 64 * MIB
    assert rss(node) - before < 16 * MIB
    assert healthy(node)


def test_a_body_is_no_head(node: Cluster) -> None:
    """A head cut within its last four bytes, and then a large chunk that holds no empty line."""
    body = b"x" * 200 * KIB
    head = POST + b"Content-Length: %d\r\n\r\n" % len(body)
    for cut in range(1, 5):
        with line(node) as client:
            client.send(head[:-cut])
            time.sleep(0.02)  # no condition tells that the node has read the first piece
            client.send(head[-cut:] + body)
            assert client.answer().error == "unsupported_format"


@pytest.mark.parametrize("internal", [False, True])
@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_a_request_has_exactly_one_host(node: Cluster, request_: bytes, internal: bool) -> None:
    with line(node, internal=internal) as client:
        client.send(request_)
        answer = client.answer()
        assert (answer.status, answer.error) == (400, "bad_request")
        assert client.ended()


TLS_HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(160)
MALFORMED = {
    "length and encoding": CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "encoding and length": POST
    + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "length with a sign": POST + b"Content-Length: +1\r\n\r\nx",
    "length without end": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "chunked is not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "space before the colon": GET + b"X : y\r\n\r\n",
    "folded header": GET + b"X: y\r\n z\r\n\r\n",
    "zero byte": GET + b"X: \x00\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "bare carriage return": GET + b"X: a\rY: b\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "another version": b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": TLS_HELLO,
    "garbage": bytes(range(256)) * 4,
    "a dash": b"-" * 100,
    "connect": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "eight bits in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    "a URL without a path": b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_request_is_refused(node: Cluster, request_: bytes) -> None:
    with line(node) as client:
        client.send(request_)
        answer = client.answer()
        assert (answer.status, answer.error) == (400, "bad_request")
        assert client.ended()
    assert healthy(node)


@pytest.mark.parametrize("size", [b"x", b"-1", b"1g", b"fffffffffffffffff", b"1\n", b""])
def test_a_broken_chunk_ends_the_connection(node: Cluster, size: bytes) -> None:
    with line(node) as client:
        client.send(CHUNKED + b"1\r\nx\r\n" + size + b"\r\nx\r\n0\r\n\r\n")
        data = client.socket.recv(64 * KIB)
        assert data == b"" or data.startswith(b"HTTP/1.1 400 ")
        assert client.ended()
    assert healthy(node)


def test_old_http_is_spoken_and_the_connection_closed(node: Cluster) -> None:
    with line(node) as client:
        client.send(b"GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n")
        assert client.answer().status == 200
        assert client.ended()


def test_an_upgrade_is_ignored(node: Cluster) -> None:
    with line(node) as client:
        client.send(GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n")
        assert client.answer().status == 200


def test_a_trailer_is_no_header(node: Cluster) -> None:
    trailer = b"X-Request-ID: smuggled\r\n"
    with line(node) as client:
        client.send(CHUNKED + b"1\r\nx\r\n0\r\n" + trailer + b"\r\n")
        first = client.answer()
        assert (first.status, first.error) == (415, "unsupported_format")
        assert first.headers["x-request-id"] != "smuggled"
        client.send(GET + trailer + b"\r\n")
        assert client.answer().headers["x-request-id"] == "smuggled"


def test_pipelined_requests_are_answered_in_order(node: Cluster) -> None:
    names = [f"request-{n}" for n in range(16)]
    requests = [GET + f"X-Request-ID: {name}\r\n\r\n".encode() for name in names]
    with line(node) as client, client.socket.makefile("rb") as stream:
        client.send(b"".join(requests))
        seen = [ln.split(b": ")[1] for ln in stream_lines(stream, len(names))]
        assert [name.decode() for name in seen] == names


def stream_lines(stream: Any, count: int) -> Iterator[bytes]:
    while count:
        text = stream.readline().strip()
        if text.startswith(b"x-request-id"):
            count -= 1
            yield text


def test_too_many_pipelined_requests_end_the_connection(node: Cluster) -> None:
    before = rss(node)
    with line(node) as client:
        client.flood(b"", (GET + b"\r\n") * 5000, 32 * MIB)
        with suppress(ConnectionResetError):
            while client.socket.recv(MIB):
                pass
    assert rss(node) - before < 64 * MIB
    assert healthy(node)


def test_an_answer_is_not_cut_by_the_refusal_of_the_next_request(node: Cluster) -> None:
    with line(node) as client:
        client.send(GET + b"\r\n" + b"GET /healthz HTTP/1.1\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.body) == (200, b"ok\n")
        assert client.ended()
