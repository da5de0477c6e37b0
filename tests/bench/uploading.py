"""Uploads of three copies next to hashing a file and copying it three times; a node's memory.

Ours decodes every picture before it takes it, sends it to two other nodes, and answers when two
have it on their disks; the other side does nothing but write.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import psutil

from bench.photographs import Photograph
from bench.table import Row, interleaved
from cluster import Cluster
from pictures import noise

AT_ONCE = 4
MIXED = 10_000
SIZES = ("full", "80w", "60s", "100w50hc", "90w", "70h")
JPEG = {"Content-Type": "image/jpeg"}


def rows(photos: tuple[Photograph, ...], *, quick: bool) -> list[Row]:
    """Bytes per second of uploads, for each photograph; megabytes of memory."""
    rounds, uploads = (2, 8) if quick else (5, 20)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = []
        with Cluster(folder / "three", nodes=3, replication=3, write_quorum=2) as cluster:
            for photo in photos:
                fresh = unlike(photo.data)
                contenders: dict[str, Callable[[], tuple[float]]] = {
                    "Apomixis, three nodes": partial(_post, cluster, fresh, uploads),
                    "hash, write three times, fsync": partial(_write, folder, fresh, uploads),
                }
                found += interleaved(f"upload of {photo.what}", ("bytes/s",), contenders, rounds)
        return found + _memory(folder / "memory", 1000 if quick else MIXED)


def unlike(data: bytes) -> Iterator[bytes]:
    """The same picture with another comment each time: other bytes, another id."""
    for number in count():
        note = f"{number:032d}".encode()
        segment = b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note
        yield data[:2] + segment + data[2:]


def _post(cluster: Cluster, fresh: Iterator[bytes], uploads: int) -> tuple[float]:
    bodies = [next(fresh) for _ in range(uploads)]
    with httpx.Client(timeout=60, trust_env=False) as client, ThreadPoolExecutor(AT_ONCE) as pool:

        def post(body: bytes) -> None:
            client.post(cluster.urls[0], content=body, headers=JPEG).raise_for_status()

        began = time.perf_counter()
        list(pool.map(post, bodies))
        return (sum(map(len, bodies)) / (time.perf_counter() - began),)


def _write(folder: Path, fresh: Iterator[bytes], uploads: int) -> tuple[float]:
    bodies = [next(fresh) for _ in range(uploads)]
    with tempfile.TemporaryDirectory(dir=folder) as name, ThreadPoolExecutor(AT_ONCE) as pool:

        def keep(body: bytes) -> None:
            image_id = hashlib.sha1(body, usedforsecurity=False).hexdigest()
            for copy in range(3):
                with (Path(name) / f"{image_id}.{copy}").open("wb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())

        began = time.perf_counter()
        list(pool.map(keep, bodies))
        return (sum(map(len, bodies)) / (time.perf_counter() - began),)


def _memory(data: Path, requests: int) -> list[Row]:
    """Resident memory of a node and its workers, when new and after many requests of all kinds."""
    with Cluster(data, nodes=1, replication=1) as cluster:
        pid = cluster.nodes[0].pid
        assert pid is not None
        before = resident(pid)
        _mixed(cluster.urls[0], requests)
        after = resident(pid)
    what = f"memory of a node after {requests:,} mixed requests"
    return [
        Row(what, who, used, used, used, "MB", None)
        for who, used in (("when new", before), ("afterwards", after))
    ]


def resident(pid: int) -> float:
    """Megabytes that a process and those that it started hold, shared pages counted once."""
    process = psutil.Process(pid)
    family = (process, *process.children(recursive=True))
    return sum(p.memory_full_info().pss for p in family) / 1e6


def _mixed(base: str, requests: int) -> None:
    """One upload for every fifty reads, of which some are of pictures that nobody has."""
    ids = []
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        for number in range(requests):
            if number % 50 == 0:
                answer = client.post("/", content=noise(400, 300), headers=JPEG)
                ids.append(answer.raise_for_status().json()["hash"])
            elif number % 50 == 1:
                client.get(f"/image/{number:040x}/80w/x.jpg")
            else:
                image_id, size = ids[number % len(ids)], SIZES[number % len(SIZES)]
                client.get(f"/image/{image_id}/{size}/x.jpg").raise_for_status()
