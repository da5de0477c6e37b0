"""The most that one hostile upload costs a node: memory and CPU of its workers, memory of its own.

The bounds are settings: a worker's address space, and a deadline for each of the two jobs that look
at an upload, the header and the decode. Every picture here is within the limits on bytes and
pixels, or it would be refused from its header.
"""

from __future__ import annotations

import io
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from PIL import Image

from apomixis_node.settings import Settings
from bench.table import Row, single
from bombs import black_png, many_scans
from cluster import Cluster

SIDE = 9_990  # just within 100 megapixels
EVERY_S = 0.01
MB = 1_000_000


def rows(*, quick: bool) -> list[Row]:
    """A row of each picture and each cost, the bound after them."""
    bombs: dict[str, Callable[[], bytes]] = {
        "black PNG of one bit": lambda: black_png(SIDE),
        "black PNG, 16-bit grey": lambda: black_png(SIDE, bits=16),
        "lossless WebP with alpha": lambda: _picture("RGBA", "WEBP", lossless=True, method=0),
        "GIF of 400 frames": _animation,
        "JPEG of 20 scans": lambda: many_scans(SIDE, 20),
    }
    if not quick:
        bombs["JPEG of 20,000 scans"] = lambda: many_scans(SIDE, 20_000)
    costs: dict[str, dict[str, float]] = {}
    for what, make in bombs.items():
        with (  # a node of its own each, for a worker keeps memory that it had once
            tempfile.TemporaryDirectory() as name,
            Cluster(Path(name) / "images", nodes=1, replication=1) as cluster,
        ):
            size, status, found = _cost(cluster, make())
            costs[f"{what}, {size / 1000:,.0f} kB: {status}"] = found
    fields = Settings.model_fields
    bounds = {
        "a worker's memory": int(fields["render_memory"].default) / MB,
        "workers' CPU": 2 * float(fields["render_deadline"].default),
    }
    units = {"a worker's memory": "MB", "workers' CPU": "s", "node's own memory": "MB"}
    table = []
    for cost, unit in units.items():
        label = f"one hostile upload, {cost} at most"
        table += [single(label, who, found[cost], unit) for who, found in costs.items()]
        if cost in bounds:
            table.append(single(label, "the bound by settings", bounds[cost], unit))
    return table


def _cost(cluster: Cluster, bomb: bytes) -> tuple[int, int, dict[str, float]]:
    """Its length, the answer's status, and what was the most of each."""
    node = psutil.Process(cluster.nodes[0].pid)
    before = node.memory_info().rss
    cpu_before = {p.pid: sum(p.cpu_times()[:2]) for p in node.children(recursive=True)}
    most = {"node": before, "worker": 0}
    cpu: dict[int, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_S):
            most["node"] = max(most["node"], node.memory_info().rss)
            for process in node.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    most["worker"] = max(most["worker"], process.memory_info().rss)
                    spent = sum(process.cpu_times()[:2])
                    cpu[process.pid] = spent - cpu_before.get(process.pid, 0.0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        kind = {"Content-Type": "image/jpeg"}
        answer = httpx.post(
            cluster.urls[0], content=bomb, headers=kind, timeout=180, trust_env=False
        )
        assert answer.status_code in (201, 422), answer.text
        time.sleep(0.5)
        assert httpx.get(f"{cluster.urls[0]}/healthz", timeout=5).status_code == 200
    finally:
        done.set()
        watcher.join()
    found = {
        "a worker's memory": most["worker"] / MB,
        "workers' CPU": sum(cpu.values()),
        "node's own memory": (most["node"] - before) / MB,
    }
    return len(bomb), answer.status_code, found


def _picture(mode: str, pillow: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (SIDE, SIDE)).save(out, pillow, **options)
    return out.getvalue()


def _animation() -> bytes:
    out = io.BytesIO()
    slope = Image.linear_gradient("L").resize((499, 499))
    frames = [slope.rotate(90 * i) for i in range(400)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()
