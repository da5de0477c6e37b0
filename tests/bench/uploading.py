"""Uploads to three nodes, acknowledged once two hold them, next to what the disk alone would take.

The peer reads the same bytes, hashes them, and writes three copies, each with its folder fsynced:
no network and no quorum. Once more with the decode that shows that it is a picture, as a node has
to. Every upload is another picture: a comment makes it so. Base levels, which are made behind the
answer, are waited for before the next one is measured; of the smallest picture none are made.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
from PIL import Image

from apomixis_node.decode import Limits, examine
from bench.photographs import LARGEST, Photograph, without_levels
from bench.table import Row, interleaved
from cluster import Cluster

NODES, QUORUM = 3, 2
AT_ONCE = (1, 8)
JPEG = {"Content-Type": "image/jpeg"}


def rows(photos: tuple[Photograph, ...], *, quick: bool) -> list[Row]:
    """Bytes a second of each photograph, one and several at once."""
    rounds, count = (2, 8) if quick else (5, 24)
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = {"nodes": NODES, "replication": NODES, "write_quorum": QUORUM}
        with Cluster(folder / "images", **shape) as cluster:  # type: ignore[arg-type]
            for photo in (*photos[-1 if quick else 0 :], without_levels()):
                numbered = _numbered(photo.data)
                for at_once in AT_ONCE:
                    contenders: dict[str, Callable[[], tuple[float]]] = {
                        "Apomixis, quorum 2 of 3": partial(
                            _upload, cluster, numbered, count, at_once
                        ),
                        "hash, three copies, fsync": partial(
                            _copy, folder, numbered, count, at_once, decoded=False
                        ),
                        "hash, decode, three copies, fsync": partial(
                            _copy, folder, numbered, count, at_once, decoded=True
                        ),
                    }
                    what = (
                        f"upload of {photo.what}, {len(photo.data) / 1e6:.1f} MB, {at_once} at once"
                    )
                    found += interleaved(what, ("bytes/s",), contenders, rounds)
    return found


def _numbered(data: bytes) -> Iterator[bytes]:
    """The same picture again and again, with another comment each time."""
    for number in itertools.count():
        comment = b"%020d" % number
        yield data[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + data[2:]


def _upload(cluster: Cluster, numbered: Iterator[bytes], count: int, at_once: int) -> tuple[float]:
    pictures, urls, before = list(itertools.islice(numbered, count)), cluster.urls, _levels(cluster)
    with Image.open(io.BytesIO(pictures[0])) as image:
        made = count if max(image.size) > LARGEST else 0
    with httpx.Client(timeout=120, trust_env=False) as client:

        def send(i: int) -> None:
            answer = client.post(urls[i % len(urls)], content=pictures[i], headers=JPEG)
            assert answer.status_code == 201, answer.text
            wanted = hashlib.sha1(pictures[i], usedforsecurity=False).hexdigest()
            assert answer.json()["hash"] == wanted

        rate = _rate(send, pictures, at_once)
    cluster.wait(lambda: _levels(cluster) == before + made, "base levels", seconds=120)
    return (rate,)


def _levels(cluster: Cluster) -> int:
    return sum(
        1 for node in cluster.nodes for _ in Path(node.data).glob("cache/*/*/*/level-640.jpg")
    )


def _copy(
    folder: Path, numbered: Iterator[bytes], count: int, at_once: int, *, decoded: bool
) -> tuple[float]:
    pictures = list(itertools.islice(numbered, count))
    with tempfile.TemporaryDirectory(dir=folder) as name:
        copies = [Path(name) / str(n) for n in range(NODES)]
        for copy in copies:
            copy.mkdir()

        def write(i: int) -> None:
            image_id = hashlib.sha1(pictures[i], usedforsecurity=False).hexdigest()
            if decoded:
                examine(pictures[i], Limits())
            for copy in copies:
                with (copy / image_id).open("wb") as file:
                    file.write(pictures[i])
                    file.flush()
                    os.fsync(file.fileno())
                opened = os.open(copy, os.O_RDONLY | os.O_DIRECTORY)
                os.fsync(opened)
                os.close(opened)

        return (_rate(write, pictures, at_once),)


def _rate(do: Callable[[int], None], pictures: list[bytes], at_once: int) -> float:
    with ThreadPoolExecutor(at_once) as pool:
        began = time.perf_counter()
        list(pool.map(do, range(len(pictures))))
        return sum(map(len, pictures)) / (time.perf_counter() - began)
