"""Memory that stays: a node, its workers and its nginx before and after thousands of requests.

What is counted is each process' proportional share (PSS), so that pages which workers have in
common count once. Of a hundred requests 95 are for what was made before; the rest are new sizes in
several formats, uploads, originals, what is unknown and what is refused.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from bench import imagor, peers
from bench.contenders import Programs
from bench.photographs import Photograph
from bench.table import Row, single
from cluster import Cluster
from pair import flagged
from pictures import noise

MB = 1_000_000
JPEG = {"Content-Type": "image/jpeg"}
EXTENSIONS = ("jpg", "jpg", "jpg", "webp", "avif", "png", "auto")
Request = tuple[str, str, bytes | None]  # method, path, body


def rows(photos: tuple[Photograph, ...], programs: Programs, *, quick: bool) -> list[Row]:
    """Ours in its parts, then the peers after as many requests for pictures."""
    count = 1_000 if quick else 10_000
    what = f"memory after {count:,} mixed requests"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = _ours(photos, folder, what, count)
        originals = folder / "photographs"
        originals.mkdir()
        for i, photo in enumerate(photos):
            (originals / f"{i}.jpg").write_bytes(photo.data)
        for peer, start, program in (
            ("thumbor", peers.thumbor, programs.thumbor),
            ("imagor", imagor.running, programs.imagor),
        ):
            if program:
                with start(program, originals, folder) as (base, pid):
                    before = _share([pid])
                    _ask(base, _pictures(len(photos), count))
                    found += [
                        single(what, f"{peer}, started", before, "MB"),
                        single(what, f"{peer}, all processes", _share([pid]), "MB"),
                    ]
    return found


def _ours(photos: tuple[Photograph, ...], folder: Path, what: str, count: int) -> list[Row]:
    fronted = peers.nginx_program() is not None
    with Cluster(folder / "images", nodes=1, replication=1, nginx=fronted) as cluster:
        base, data = cluster.urls[0], Path(cluster.nodes[0].data)
        ids = [
            str(httpx.post(base, content=p.data, headers=JPEG, timeout=60).json()["hash"])
            for p in photos
        ]
        nginx = []
        if fronted:
            cluster.wait(lambda: flagged(data), "nginx to serve what is on the disk")
            nginx = [int((data / "nginx" / "nginx.pid").read_text())]
        node = cluster.nodes[0].pid
        assert node is not None
        before = _share([node, *nginx])
        _ask(base, _mixed(ids, count))
        own = _pss(node)
        return [
            single(what, "Apomixis and nginx, started", before, "MB"),
            single(what, "Apomixis and nginx, all processes", _share([node, *nginx]), "MB"),
            single(what, "… the node's own process", own / MB, "MB"),
            single(what, "… its workers", _share([node]) - own / MB, "MB"),
            single(what, "… its nginx", _share(nginx), "MB"),
        ]


def _mixed(ids: list[str], count: int) -> Iterator[Request]:
    chance, made, uploads = random.Random(5), [f"/image/{ids[0]}/200w/x.jpg"], deque[bytes]()
    yield "GET", made[0], None
    for _ in range(count - 1):
        dice = chance.random()
        if dice < 0.95:
            yield "GET", chance.choice(made), None
        elif dice < 0.975:
            size = f"{chance.randrange(16, 1200)}{chance.choice('whs')}"
            made.append(f"/image/{chance.choice(ids)}/{size}/x.{chance.choice(EXTENSIONS)}")
            yield "GET", made[-1], None
        elif dice < 0.985:
            uploads.append(noise(400, 300))
            yield "POST", "/", uploads[-1]
        elif dice < 0.99 and uploads:
            image_id = hashlib.sha1(uploads.popleft(), usedforsecurity=False).hexdigest()
            yield "GET", f"/image/{image_id}/100s/x.webp", None
        else:
            other = [f"/image/{'0' * 40}/200w/x.jpg", "/image/no/200w/x.jpg", "/image/"]
            other += [f"/image/{ids[0]}/full/x.jpg", "/healthz", f"/info/{ids[0]}"]
            yield "GET", chance.choice(other), None


def _pictures(photos: int, count: int) -> Iterator[Request]:
    """For the peers: as many new sizes, all as JPEG."""
    chance = random.Random(5)
    made = ["/unsafe/200x0/0.jpg"]
    for _ in range(count):
        if chance.random() >= 0.975:
            size = chance.choice(("{0}x0", "0x{0}", "{0}x{0}")).format(chance.randrange(16, 1200))
            made.append(f"/unsafe/{size}/{chance.randrange(photos)}.jpg")
            yield "GET", made[-1], None
        else:
            yield "GET", chance.choice(made), None


def _ask(base: str, requests: Iterator[Request]) -> None:
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        for method, path, body in requests:
            answer = client.request(method, path, content=body, headers=JPEG if body else {})
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"


def _share(pids: list[int]) -> float:
    """MB of these processes and all that they started."""
    known = [psutil.Process(pid) for pid in pids]
    every = {p.pid for process in known for p in (process, *process.children(recursive=True))}
    return sum(map(_pss, every)) / MB


def _pss(pid: int) -> int:
    return int(psutil.Process(pid).memory_full_info().pss)
