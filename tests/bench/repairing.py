"""Verify next to `sha1sum`, sync next to a bare copy over a socket: files of 100 KB.

The files are put into the nodes' folders, for the disk is the truth; what is measured is what the
nodes say of their own work.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from bench.table import Row, interleaved
from cluster import Cluster

FILE_BYTES = 100_000
FREE = {"APOMIXIS_VERIFY_RATE": "0", "APOMIXIS_SYNC_RATE": "0"}


def rows(*, quick: bool) -> list[Row]:
    """Bytes per second of both."""
    count, rounds = (500, 2) if quick else (2000, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return _verify(folder, 4 * count, rounds) + _sync(folder, count, rounds)


def _fill(originals: Path, count: int) -> list[Path]:
    made = []
    for _ in range(count):
        data = secrets.token_bytes(FILE_BYTES)
        image_id = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        path = originals / image_id[:3] / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        made.append(path)
    return made


def _report(cluster: Cluster, name: str) -> dict[str, dict[str, float]]:
    secret = {"Authorization": f"Bearer {cluster.folder.secret()}"}
    url = cluster.node(name).internal_url
    found: dict[str, dict[str, float]] = httpx.get(f"{url}/report", headers=secret).json()
    return found


def _verify(folder: Path, count: int, rounds: int) -> list[Row]:
    with Cluster(folder / "verify", nodes=1, replication=1, environment=FREE) as cluster:
        files = _fill(Path(cluster.nodes[0].data) / "originals", count)
        secret = {"Authorization": f"Bearer {cluster.folder.secret()}"}
        url = cluster.nodes[0].internal_url

        def ours() -> tuple[float]:
            before = _report(cluster, "node-0")["verify"]["finished"]
            httpx.post(f"{url}/verify", headers=secret)
            while (state := _report(cluster, "node-0")["verify"])["finished"] <= before:
                time.sleep(0.2)  # rarely: to report takes time too, and the node's own clock counts
            return (state["bytes"] / (state["finished"] - state["started"]),)

        def theirs() -> tuple[float]:
            began = time.perf_counter()
            names = "\0".join(map(str, files)).encode()
            command = ["xargs", "-0", "sha1sum"]
            subprocess.run(command, input=names, stdout=subprocess.DEVNULL, check=True)
            return (count * FILE_BYTES / (time.perf_counter() - began),)

        contenders: dict[str, Callable[[], tuple[float]]] = {"Apomixis": ours, "sha1sum": theirs}
        return interleaved("verify", ("bytes/s",), contenders, rounds)


def _sync(folder: Path, count: int, rounds: int) -> list[Row]:
    contenders: dict[str, Callable[[], tuple[float]]] = {
        "Apomixis, fsynced": lambda: (_sync_once(folder, count),),
        "sendfile, hash, write, fsync": lambda: (_copy(folder, count, durable=True),),
        "sendfile, hash, write": lambda: (_copy(folder, count, durable=False),),
    }
    return interleaved("sync", ("bytes/s",), contenders, rounds)


def _sync_once(folder: Path, count: int) -> float:
    """A second owner that has nothing catches up with the first."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        data = Path(name) / "sync"
        shape = {"nodes": 2, "replication": 2, "write_quorum": 1, "environment": FREE}
        with Cluster(data, **shape):  # type: ignore[arg-type]
            pass
        _fill(data / "node-0" / "originals", count)
        cluster = Cluster(data, nodes=None, environment=FREE)
        cluster.start(ready=False)
        try:
            began = time.perf_counter()
            while (got := _synced(cluster)) < count * FILE_BYTES:
                if not got:
                    began = time.perf_counter()
                time.sleep(0.01)
            return got / (time.perf_counter() - began)
        finally:
            cluster.stop()


def _synced(cluster: Cluster) -> float:
    try:
        return _report(cluster, "node-1")["synced"]["bytes"]
    except httpx.TransportError:
        return 0  # it does not listen yet


def _copy(folder: Path, count: int, *, durable: bool) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        files = _fill(Path(name) / "from", count)
        into = Path(name) / "to"
        into.mkdir()
        server = socket.create_server(("127.0.0.1", 0))
        sending = threading.Thread(target=_send, args=(server, files))
        sending.start()
        began = time.perf_counter()
        with socket.create_connection(server.getsockname()[:2]) as line:
            for i in range(count):
                _receive(line, into / str(i), durable=durable)
        spent = time.perf_counter() - began
        sending.join()
        server.close()
        return count * FILE_BYTES / spent


def _send(server: socket.socket, files: list[Path]) -> None:
    line, _ = server.accept()
    with line:
        for path in files:
            with path.open("rb") as file:
                line.sendfile(file)


def _receive(line: socket.socket, path: Path, *, durable: bool) -> None:
    digest = hashlib.sha1(usedforsecurity=False)
    left = FILE_BYTES
    with path.open("wb") as file:
        while left:
            chunk = line.recv(min(left, 1 << 16))
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
        if durable:
            file.flush()
            os.fsync(file.fileno())
