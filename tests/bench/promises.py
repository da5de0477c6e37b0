"""Targets that are no races: one render for many first requests, health meanwhile, start-up."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import httpx

from bench.photographs import Photograph
from bench.table import Row, interleaved, single
from cluster import Cluster
from pictures import corners, encoded

AT_ONCE = 64
LINKS = 60_000  # ext4 gives a file 65,000 names
PROBE_S = 3.0


def rows(photos: tuple[Photograph, ...], *, quick: bool) -> list[Row]:
    """All of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return _burst(photos[0], folder) + _start(folder, 50_000 if quick else 1_000_000, quick)


def _burst(photo: Photograph, folder: Path) -> list[Row]:
    """Many ask three nodes for a size that nobody has asked for; health is asked all the time."""
    sizes = range(1200, 1205)  # from the original: the most that a rendition costs
    with (
        Cluster(folder / "burst", nodes=3) as cluster,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other,
    ):
        kind = {"Content-Type": "image/jpeg"}
        answer = httpx.post(cluster.urls[0], content=photo.data, headers=kind, timeout=60)
        path = f"/image/{answer.json()['hash']}"
        httpx.get(f"{cluster.urls[0]}{path}/199w/x.jpg", timeout=60).raise_for_status()
        other.submit(_probe, cluster.urls, 0.1).result()  # its imports are done
        before = _renders(cluster)
        probing = other.submit(_probe, cluster.urls, PROBE_S)
        for size in sizes:
            asyncio.run(_together([f"{url}{path}/{size}w/x.jpg" for url in cluster.urls]))
        took = sorted(probing.result())
        made = (_renders(cluster) - before) / len(sizes)
    what = f"{AT_ONCE} first requests at once, three nodes"
    return [
        single(what, "Apomixis", made, "renders"),
        single(f"{what}, /healthz meanwhile, median", "Apomixis", took[len(took) // 2], "ms"),
        single(f"{what}, /healthz meanwhile, p99", "Apomixis", took[len(took) * 99 // 100], "ms"),
        single(f"{what}, /healthz meanwhile, worst", "Apomixis", took[-1], "ms"),
    ]


async def _together(urls: Sequence[str]) -> None:
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:
        wanted = (client.get(urls[i % len(urls)]) for i in range(AT_ONCE))
        answers = await asyncio.gather(*wanted)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def _probe(urls: Sequence[str], seconds: float) -> list[float]:
    """In a process of its own: milliseconds of each answer to /healthz."""
    found = []
    end = time.monotonic() + seconds
    with httpx.Client(timeout=10, trust_env=False) as client:
        while time.monotonic() < end:
            for url in urls:
                began = time.perf_counter()
                client.get(f"{url}/healthz").raise_for_status()
                found.append(1000 * (time.perf_counter() - began))
            time.sleep(0.01)
    return found


def _renders(cluster: Cluster) -> int:
    count = 0.0
    for node in cluster.nodes:
        text = httpx.get(f"{node.internal_url}/metrics").text
        count += sum(map(float, re.findall(r"^apomixis_renders_total\{.*\} (\S+)$", text, re.M)))
    return int(count)


def _start(folder: Path, many: int, quick: bool) -> list[Row]:
    """From `apomixis up` to a node that is ready."""
    contenders: dict[str, Callable[[], tuple[float]]] = {}
    for count in (10, many):
        data = folder / f"of-{count}"
        with Cluster(data, nodes=1, replication=1):
            pass
        _fill(data / "node-0" / "originals", count)
        contenders[f"Apomixis, {count:,} originals"] = partial(_ready, data)
    return interleaved("start until it is ready", ("s",), contenders, 2 if quick else 5)


def _ready(data: Path) -> tuple[float]:
    began = time.perf_counter()
    with Cluster(data, nodes=None):
        return (time.perf_counter() - began,)


def _fill(originals: Path, count: int) -> None:
    """So many names of a few files: what is in them is not read at a start."""
    picture = encoded(corners(), "JPEG")
    known: set[str] = set()
    for number in range(count):
        image_id = secrets.token_hex(20)
        path = f"{originals}/{image_id[:3]}/{image_id}.jpg"
        if image_id[:3] not in known:
            (originals / image_id[:3]).mkdir(parents=True, exist_ok=True)
            known.add(image_id[:3])
        if number % LINKS == 0:
            first = path
            Path(path).write_bytes(picture)
        else:
            os.link(first, path)
