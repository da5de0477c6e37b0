"""Hot and cold renditions over HTTP, servers on one core, the load on another.

Hot: one rendition again and again (wrk). Cold: sizes that nobody has asked for, one after another.
Every kind of answer is decoded and measured before it counts.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
from PIL import Image

from bench import peers
from bench.table import Row, interleaved
from cluster import Cluster
from pictures import noise

CONNECTIONS = 16
BACKGROUNDS = Path("/usr/share/backgrounds/mate")
# What is asked: ours, thumbor's.
FIT, SQUARE, WIDE = "200 fit", "200 square", "800 wide"
OURS: dict[str, Callable[[int], str]] = {
    FIT: lambda n: f"{n}w{n}h",
    SQUARE: lambda n: f"{n}s",
    WIDE: lambda n: f"{n}w",
}
THUMBORS: dict[str, Callable[[int], str]] = {
    FIT: lambda n: f"fit-in/{n}x{n}",
    SQUARE: lambda n: f"{n}x{n}",
    WIDE: lambda n: f"{n}x0",
}
AROUND = {FIT: 200, SQUARE: 200, WIDE: 800}


def rows(*, quick: bool, cache: Path) -> list[Row]:
    """All measurements; a peer that could not be had is a row that says so."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        photos = folder / "photos"
        photos.mkdir()
        photo = _photograph(photos)
        stack.enter_context(peers.on_core(1))
        with peers.on_core(0):
            ours = stack.enter_context(Cluster(folder / "images", nodes=1, replication=1))
        base = ours.urls[0]
        answer = httpx.post(
            base, content=photo.read_bytes(), headers={"Content-Type": "image/jpeg"}
        )
        image_id = answer.json()["hash"]
        program = peers.thumbor_program(cache)
        other = stack.enter_context(peers.thumbor(program, photos, folder)) if program else None
        static = folder / "static"
        static.mkdir()
        fast = stack.enter_context(peers.nginx(static, folder))

        def our_url(kind: str, n: int) -> str:
            return f"{base}/image/{image_id}/{OURS[kind](n)}/x.jpg"

        def their_url(kind: str, n: int) -> str:
            return f"{other}/unsafe/{THUMBORS[kind](n)}/{photo.name}"

        contenders = {"Apomixis, no nginx": our_url}
        if other:
            contenders["thumbor 7.8.0"] = their_url
        (static / "x.jpg").write_bytes(httpx.get(our_url(FIT, 200), timeout=60).content)
        found = _hot(contenders, f"{fast}/x.jpg" if fast else None, quick=quick)
        for kind in OURS:
            found += _cold(kind, contenders, quick=quick)
    missing = [("thumbor 7.8.0", other), ("nginx", fast), ("wrk", shutil.which("wrk"))]
    found += [Row("missing", name, 0, 0, 0, "", 0) for name, there in missing if not there]
    return found


def _photograph(folder: Path) -> Path:
    """A photograph of about 12 megapixels; a drawn one where Debian's are not installed."""
    path = folder / "photo.jpg"
    sizes = []
    for found in BACKGROUNDS.rglob("*.jpg"):
        with Image.open(found) as image:
            sizes.append((abs(image.width * image.height - 12_000_000), found))
    path.write_bytes(min(sizes)[1].read_bytes() if sizes else noise(4000, 3000))
    return path


def _hot(
    contenders: Mapping[str, Callable[[str, int], str]], static: str | None, *, quick: bool
) -> list[Row]:
    if shutil.which("wrk") is None:
        return []
    urls = {name: url(FIT, 200) for name, url in contenders.items()}
    for url in urls.values():
        _check(httpx.get(url, timeout=60), FIT, 200)
    urls = ({"nginx static": static} if static else {}) | urls
    seconds = 2 if quick else 4
    measures = {name: lambda url=url: _wrk(url, seconds) for name, url in urls.items()}
    return interleaved("hot, 200 fit", "requests/s", measures, 2 if quick else 5)


def _wrk(url: str, seconds: int) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "Non-2xx" not in done.stdout, done.stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


def _cold(
    kind: str, contenders: Mapping[str, Callable[[str, int], str]], *, quick: bool
) -> list[Row]:
    """Sizes around the one that is named, each asked for once."""
    rounds, batch = (2, 4) if quick else (5, 8)
    sizes = {name: iter(range(AROUND[kind] + 1, AROUND[kind] + 200)) for name in contenders}

    def measure(name: str, url: Callable[[str, int], str]) -> float:
        with httpx.Client(timeout=60) as client:
            began = time.perf_counter()
            answers = [(n, client.get(url(kind, n))) for n in _take(sizes[name], batch)]
            spent = time.perf_counter() - began
        for n, answer in answers:
            _check(answer, kind, n)
        return batch / spent

    measures = {n: lambda n=n, url=url: measure(n, url) for n, url in contenders.items()}
    return interleaved(f"cold, {kind} from 12 MP", "images/s", measures, rounds)


def _take(numbers: Iterator[int], count: int) -> list[int]:
    return [next(numbers) for _ in range(count)]


def _check(answer: httpx.Response, kind: str, n: int) -> None:
    answer.raise_for_status()
    with Image.open(io.BytesIO(answer.content)) as image:
        width, height = image.size
    right = {FIT: max(width, height) == n, SQUARE: width == height == n, WIDE: width == n}
    assert right[kind], f"{answer.url} is {width}x{height}"
