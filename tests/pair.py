"""A node and the nginx in front of it, asked side by side."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx
from PIL import Image

from apomixis_node.cli.nginx import program
from cluster import Cluster
from needs import need
from pictures import animation, corners, encoded, noise

KEY = {"Authorization": "Bearer key"}  # where keys are asked for
OWN = {"date", "server", "connection", "x-request-id", "transfer-encoding"}
# What a client knows already, or wants a part of.
CONDITIONS = [
    {"If-None-Match": "{etag}"},
    {"If-None-Match": "W/{etag}"},
    {"If-None-Match": "*"},
    {"If-None-Match": '"other", {etag}'},
    {"If-None-Match": '"other"'},
    {"If-Modified-Since": "{date}"},
    {"If-Modified-Since": "{old}"},
    {"If-Modified-Since": "no date"},
    {"If-None-Match": "{etag}", "If-Modified-Since": "{old}"},
    {"If-None-Match": '"other"', "If-Modified-Since": "{date}"},
    {"If-Match": "{etag}"},
    {"If-Match": "W/{etag}"},
    {"If-Match": '"other"'},
    {"If-Match": "*"},
    {"If-Unmodified-Since": "{old}"},
    {"If-Unmodified-Since": "{date}"},
    {"If-Unmodified-Since": "no date"},
    {"Range": "bytes=0-9"},
    {"Range": "bytes=5-"},
    {"Range": "bytes=-5"},
    {"Range": "bytes=0-0,2-3"},
    {"Range": "bytes=99999999-"},
    {"Range": "bytes=9-5"},
    {"Range": "lines=1-2"},
    {"Range": "bytes=0-9", "If-Range": "{etag}"},
    {"Range": "bytes=0-9", "If-Range": '"other"'},
    {"Range": "bytes=0-9", "If-Range": "{date}"},
    {"Range": "bytes=0-9", "If-None-Match": "{etag}"},
    {"Range": "bytes=0-9", "If-Match": '"other"'},
]


@dataclass
class Pair:
    """nginx, and the node behind it, asked side by side."""

    cluster: Cluster
    nginx: httpx.Client
    node: httpx.Client
    ids: dict[str, str]

    def asked(self) -> int:
        """How many requests the node has had on its public listener."""
        entry = self.cluster.nodes[0]
        text = httpx.get(f"{entry.internal_url}/metrics").text
        found = re.findall(
            r'^apomixis_http_requests_total\{.*"public".*\} (\S+)$', text, re.MULTILINE
        )
        return int(sum(float(n) for n in found))

    def both(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[httpx.Response, httpx.Response]:
        """What each says, nginx asked twice so that what can be a hit is one."""
        given = {"Accept": "", **(headers or {})}
        request = {"method": method, "url": path, "headers": given}
        self.nginx.request(**request)  # type: ignore[arg-type]
        return self.nginx.request(**request), self.node.request(**request)  # type: ignore[arg-type]

    def same(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> httpx.Response:
        """They say the same, header by header; the answer."""
        one, other = self.both(path, headers, method)
        assert one.status_code == other.status_code, (one.text, other.text)
        assert told(one) == told(other)
        assert one.content == other.content
        assert ("x-request-id" in one.headers) == ("x-request-id" in other.headers)
        return one

    def hit(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """As `same`, and nginx answered without the node."""
        answer = self.same(path, headers)
        before = self.asked()
        again = self.nginx.get(path, headers={"Accept": "", **(headers or {})})
        assert self.asked() == before, f"{path} was no hit"
        assert again.content == answer.content
        return answer

    def miss(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """As `same`, and the node answered."""
        answer = self.same(path, headers)
        before = self.asked()
        self.nginx.get(path, headers={"Accept": "", **(headers or {})})
        assert self.asked() == before + 1, f"{path} was a hit"
        return answer


def told(answer: httpx.Response) -> dict[str, str]:
    return {k: v for k, v in sorted(answer.headers.items()) if k not in OWN}


def pair(data: Path, **environment: str) -> Generator[Pair]:
    need(program(), "nginx is not installed.")
    with Cluster(data, nodes=1, replication=1, nginx=True, environment=environment) as cluster:
        entry = cluster.nodes[0]
        text = (Path(entry.data) / "nginx" / "nginx.conf").read_text()
        socket = re.search(r'server "unix:(.*)";', text)
        assert socket
        transport = httpx.HTTPTransport(uds=socket[1])
        base = entry.public_url
        with (
            httpx.Client(base_url=base, timeout=60, trust_env=False) as nginx,
            httpx.Client(base_url=base, timeout=60, transport=transport) as node,
        ):
            found = Pair(cluster, nginx, node, {})
            for name, (kind, picture) in PICTURES.items():
                answer = nginx.post("/", content=picture, headers=KEY | {"Content-Type": kind})
                assert answer.status_code == 201, answer.text
                found.ids[name] = answer.json()["hash"]
            cluster.wait(lambda: flagged(Path(entry.data)), "the flag")
            yield found


def flagged(data: Path) -> bool:
    return any(path.is_symlink() for path in (data / "front").iterdir())


def see_through() -> Image.Image:
    picture = corners(mode="RGBA")
    picture.putalpha(100)
    return picture


PICTURES = {
    "photo": ("image/jpeg", noise(320, 200)),
    "alpha": ("image/png", encoded(see_through(), "PNG")),
    "animated": ("image/gif", animation("GIF")),
}
