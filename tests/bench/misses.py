"""Where the time of a miss goes: CPU by thread and process, and what the event loop does in it.

    python -m bench.misses                  what docs/bench/misses.md holds, on the screen
    python -m bench.misses --write FILE     and there

py-spy samples the node from outside, Python and native frames; the counts are of the thread that
runs the event loop, and each sample is told by the deepest frame that has a name below.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import httpx
import psutil

from bench import peers
from bench.contenders import KINDS, Contender, Kind, ours
from bench.photographs import Photograph, photographs
from bench.table import machine

COUNT = 200
SAMPLES_A_SECOND = 100
SAMPLED_S = 15
PARTS = (  # the first that is found, from the innermost frame out
    ("waiting for events (epoll)", r"epoll_|uv__io_poll"),
    ("handing work to threads (anyio)", r"anyio/|sniffio/"),
    ("handing work to workers (pebble)", r"pebble/|apomixis_node/workers"),
    ("reading the cache", r"apomixis_node/cache"),
    ("request id, metrics, log", r"apomixis_node/observe|prometheus_client|structlog"),
    ("the node's own routes", r"apomixis_node/(?!server|cli|__main__|protocol)|apomixis_ring/"),
    (
        "parsing, answering (uvicorn, httptools)",
        r"uvicorn/|httptools|llhttp|apomixis_node/protocol",
    ),
    ("routing (Starlette)", r"starlette/"),
    ("sockets and the loop itself (uvloop, asyncio)", r"uv_|uvloop|loop\.c|asyncio"),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    text = report()
    sys.stdout.write(text)
    if chosen.write:
        chosen.write.write_text(text)


def report() -> str:
    """As Markdown."""
    photos = photographs()
    small, _, large = KINDS
    with (
        tempfile.TemporaryDirectory() as name,
        peers.on_core(peers.LOAD),
        ours(photos, Path(name) / "images") as node,
    ):
        for photo in photos:
            node.checked(photo, small, 15)
            node.checked(photo, large, large.side)
        costs = {
            "miss, about 200 wide": _cost(node, photos, small, range(20, 20 + COUNT)),
            "hit, the same again": _cost(node, photos, small, range(20, 20 + COUNT)),
            "miss, about 800 wide": _cost(node, photos, large, range(700, 700 + COUNT // 2)),
        }
        parts, asked = _sampled(node, photos, small)
    lines = [
        "# A miss, taken apart",
        "",
        f"Written by `python -m bench.misses`: {machine()}. One node without nginx, on one core.",
        "",
        "| ms a request | wall | event loop | node's other threads | workers |",
        "|---|---:|---:|---:|---:|",
        *(f"| {what} | {' | '.join(f'{v:.2f}' for v in cost)} |" for what, cost in costs.items()),
        "",
        "All but wall is CPU time; what is left of wall is waiting for the disk and for a core.",
        "",
        f"The event loop's thread in {asked} misses of about 200 wide, by py-spy:",
        "",
        "| what it does | of its busy samples |",
        "|---|---:|",
        *(f"| {part} | {100 * share:.0f} % |" for part, share in parts),
        "",
    ]
    return "\n".join(lines)


def _cost(
    node: Contender, photos: tuple[Photograph, ...], kind: Kind, sides: range
) -> tuple[float, float, float, float]:
    """Milliseconds a request: wall (the median), event loop, other threads, workers."""
    spent: list[float] = []
    workers = [p.pid for p in psutil.Process(node.pid).children(recursive=True)]
    loop, whole, pixels = _thread(node.pid), _clock(node.pid), sum(map(_clock, workers))
    with httpx.Client(timeout=60, trust_env=False) as client:
        for side, photo in zip(sides, cycle(photos), strict=False):
            began = time.perf_counter()
            client.get(node.url(photo, kind, side)).raise_for_status()
            spent.append(time.perf_counter() - began)
    count = len(spent) / 1000
    loop, whole = _thread(node.pid) - loop, _clock(node.pid) - whole
    pixels = sum(map(_clock, workers)) - pixels
    return statistics.median(spent) * 1000, loop / count, (whole - loop) / count, pixels / count


def _clock(pid: int) -> float:
    return time.clock_gettime(~pid << 3 | peers.CPU_CLOCK)


def _thread(pid: int) -> float:
    """CPU seconds of a process' first thread."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def _sampled(
    node: Contender, photos: tuple[Photograph, ...], kind: Kind
) -> tuple[list[tuple[str, float]], int]:
    """Shares of the loop's busy samples, and how many misses they are of."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "stacks"
        command = [str(Path(sys.executable).with_name("py-spy")), "record", "--native", "--threads"]
        command += ["-r", str(SAMPLES_A_SECOND), "-d", str(SAMPLED_S), "-f", "raw"]
        command += ["-o", str(out), "-p", str(node.pid)]
        spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        asked = _ask_while(lambda: spy.poll() is None, node, photos, kind)
        assert spy.returncode == 0, "py-spy failed"
        return _shares(out.read_text().splitlines()), asked


def _ask_while(
    going: Callable[[], bool], node: Contender, photos: tuple[Photograph, ...], kind: Kind
) -> int:
    asked = 0
    with httpx.Client(timeout=60, trust_env=False) as client:
        for photo, side in _new(photos):
            if not going():
                break
            client.get(node.url(photo, kind, side)).raise_for_status()
            asked += 1
    return asked


def _new(photos: tuple[Photograph, ...]) -> Iterator[tuple[Photograph, int]]:
    """Sizes that were not asked for yet."""
    for side in (*range(20 + COUNT, 426), *range(427, 690)):
        for photo in photos:
            yield photo, side
    raise AssertionError("more sizes are needed")


def _shares(stacks: list[str]) -> list[tuple[str, float]]:
    found: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        if "MainThread" in frames:
            found[_part(frames.split(";"))] += int(count)
    found.pop(PARTS[0][0], None)
    total = sum(found.values())
    return [(part, count / total) for part, count in found.most_common()]


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, pattern in PARTS:
            if re.search(pattern, frame):
                return part
    return "the rest"


if __name__ == "__main__":
    main()
