"""A node under watch while it is ill-treated: is it healthy, how large is it, what does it keep?"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from cluster import Cluster
from wire import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "open-sesame-7f3a"
MAX_BYTES = 256 * KIB
UPLOADS = 8
NODE_BYTES = 320 * MIB  # of memory, for a node's own process, whatever is sent to it
WORKER_BYTES = 512 * MIB
ENVIRONMENT = {
    "APOMIXIS_MAX_BYTES": str(MAX_BYTES),
    "APOMIXIS_MAX_UPLOADS": str(UPLOADS),
    "APOMIXIS_RENDER_MEMORY": str(WORKER_BYTES),
}
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}


@dataclass
class Site:
    """One node, what was accepted by it, and what was seen of it meanwhile."""

    cluster: Cluster
    client: httpx.Client
    accepted: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    health: list[int] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=lambda: {"node": 0, "worker": 0})
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def data(self) -> Path:
        """The node's volume."""
        return Path(self.cluster.nodes[0].data)

    def post(self, content: Any, kind: str = "image/jpeg", **headers: str) -> httpx.Response:
        """Upload a raw body, with the key."""
        sent = AUTHORIZED | {"Content-Type": kind} | headers
        return self.noted(self.client.post("/", content=content, headers=sent))

    def form(self, name: str, content: bytes, kind: str = "image/jpeg") -> httpx.Response:
        """Upload a form, with the key in a field."""
        files = {"image": (name, content, kind)}
        return self.noted(self.client.post("/", files=files, data={"key": KEY}))

    def noted(self, answer: httpx.Response) -> httpx.Response:
        """Remember what was answered."""
        self.ids.add(answer.headers["X-Request-ID"])
        if answer.status_code in (200, 201):
            self.accepted.add(answer.json()["hash"])
        return answer

    def watch(self) -> None:
        """Until stopped: is it healthy, and how large is it?"""
        process = psutil.Process(self.cluster.nodes[0].pid)
        with httpx.Client(base_url=self.cluster.urls[0], timeout=10, trust_env=False) as client:
            while not self.stopped.wait(0.1):
                self.health.append(client.get("/healthz").status_code)
                self._measure("node", [process])
                self._measure("worker", process.children(recursive=True))

    def _measure(self, what: str, processes: list[psutil.Process]) -> None:
        for process in processes:
            try:
                self.most[what] = max(self.most[what], process.memory_info().rss)
            except psutil.NoSuchProcess:
                continue


@contextmanager
def watched(folder: Path) -> Iterator[Site]:
    """A cluster of one node that wants a key, watched from its start to its end."""
    (folder / "keys").write_text(f"{KEY}\n")
    environment = ENVIRONMENT | {"APOMIXIS_UPLOAD_KEYS": str(folder / "keys")}
    with Cluster(folder / "data", nodes=1, environment=environment) as cluster:
        client = httpx.Client(base_url=cluster.urls[0], timeout=60, trust_env=False)
        site = Site(cluster, client)
        watcher = threading.Thread(target=site.watch)
        watcher.start()
        try:
            yield site
        finally:
            site.stopped.set()
            watcher.join()
            client.close()
