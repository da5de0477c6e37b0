"""Who is asked for renditions, what is asked of each, and whether the answer is what was asked for.

Every server runs on one core, all on the same; who asks has another one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from PIL import Image

from bench import imagor, peers
from bench.photographs import Photograph
from cluster import Cluster
from pair import flagged

OURS = "Apomixis, no nginx"
PEERS = ("thumbor", "imagor")
Start = Callable[[Path, Path, Path], AbstractContextManager[tuple[str, int]]]


@dataclass(frozen=True)
class Kind:
    """A kind of rendition, at about `side` pixels: its path at ours, and at peers, as thumbor's."""

    name: str
    side: int
    ours: Callable[[int], str]
    thumbor: Callable[[int], str]
    expected: Callable[[int, float], tuple[float, float]]  # n, height / width


KINDS = (
    Kind(
        "200 fit",
        200,
        lambda n: f"{n}w{n}h",
        lambda n: f"fit-in/{n}x{n}",
        lambda n, aspect: (n / max(1, aspect), n * min(1, aspect)),
    ),
    Kind("200 square", 200, lambda n: f"{n}s", lambda n: f"{n}x{n}", lambda n, _: (n, n)),
    Kind("800 wide", 800, lambda n: f"{n}w", lambda n: f"{n}x0", lambda n, aspect: (n, n * aspect)),
)

STRAIGHT = Kind(
    "1200 wide",
    1200,
    lambda n: f"{n}w",
    lambda n: f"{n}x0/filters:format(jpeg)",
    lambda n, aspect: (n, n * aspect),
)
"""Too large for any base level: everybody begins with the original's bytes."""


@dataclass(frozen=True)
class Programs:
    """The peers' programs; None for one that can't be had."""

    thumbor: Path | None
    imagor: Path | None


@dataclass(frozen=True)
class Contender:
    """A server: its name, its process, the URL of a rendition."""

    name: str
    pid: int
    url: Callable[[Photograph, Kind, int], str]

    def checked(self, photo: Photograph, kind: Kind, side: int) -> bytes:
        """Ask for it once; its bytes, if it is right."""
        answer = httpx.get(self.url(photo, kind, side), timeout=60, trust_env=False)
        check(answer, photo, kind, side)
        return answer.content


def check(answer: httpx.Response, photo: Photograph, kind: Kind, side: int) -> None:
    """The answer is a JPEG that decodes, as large as was asked for, to the pixel of rounding."""
    answer.raise_for_status()
    with Image.open(io.BytesIO(photo.data)) as image:
        wanted = kind.expected(side, image.height / image.width)
    with Image.open(io.BytesIO(answer.content), formats=["JPEG"]) as image:
        image.load()
        right = all(abs(a - b) < 1 for a, b in zip(image.size, wanted, strict=True))
        assert right, f"{answer.url} is {image.size}, not {wanted}"


@contextmanager
def renderers(
    photos: tuple[Photograph, ...], folder: Path, programs: Programs, against: Path | None
) -> Iterator[list[Contender]]:
    """Ours first, then a checkout of ours at `against`, then the peers that are there."""
    with ExitStack() as stack:
        found = [stack.enter_context(ours(photos, folder / "ours"))]
        if against:
            found.append(stack.enter_context(ours(photos, folder / "against", checkout=against)))
        originals = folder / "photographs"
        originals.mkdir()
        for i, photo in enumerate(photos):
            (originals / f"{i}.{photo.extension}").write_bytes(photo.data)
        names = {photo.what: f"{i}.{photo.extension}" for i, photo in enumerate(photos)}
        starts: dict[str, tuple[Start, Path | None]] = {
            "thumbor": (peers.thumbor, programs.thumbor),
            "imagor": (imagor.running, programs.imagor),
        }
        for name, (start, program) in starts.items():
            if program:
                base, pid = stack.enter_context(start(program, originals, folder))
                found.append(Contender(name, pid, partial(_peers_url, base, names)))
        yield found


def _peers_url(
    base: str, names: Mapping[str, str], photo: Photograph, kind: Kind, side: int
) -> str:
    return f"{base}/unsafe/{kind.thumbor(side)}/{names[photo.what]}"


@contextmanager
def ours(
    photos: tuple[Photograph, ...],
    data: Path,
    *,
    checkout: Path | None = None,
    log_level: str = "warning",
    nginx: bool = False,
) -> Iterator[Contender]:
    """One node with an own folder, of this checkout or of another one.

    Its peers write no line for a request here, so it doesn't either, unless `log_level` is "info".
    """
    environment = {"APOMIXIS_LOG_LEVEL": log_level}
    if checkout:
        environment["PYTHONPATH"] = f"{checkout / 'node'}:{checkout / 'ring'}"
    with ExitStack() as stack:
        with peers.on_core(peers.SERVERS):
            cluster = stack.enter_context(
                Cluster(data, nodes=1, replication=1, environment=environment, nginx=nginx)
            )
        base, pid = cluster.urls[0], cluster.nodes[0].pid
        assert pid is not None, cluster.said
        ids = {
            p.what: httpx.post(
                base,
                content=p.data,
                headers={"Content-Type": p.mime},
                timeout=60,
                trust_env=False,
            ).json()["hash"]
            for p in photos
        }
        if nginx:
            folder = data / "node-0"
            cluster.wait(lambda: flagged(folder), "nginx to serve what is on the disk")
            pid = int((folder / "nginx" / "nginx.pid").read_text())
        name = f"Apomixis of {checkout}" if checkout else OURS
        name = "Apomixis, nginx in front" if nginx else name
        name += ", a log line for each request" if log_level == "info" else ""
        yield Contender(
            name, pid, lambda photo, kind, n: f"{base}/image/{ids[photo.what]}/{kind.ours(n)}/x.jpg"
        )
