"""Hot: a rendition that is on disk already, asked for again and again by wrk.

nginx serves the same bytes as a static file: as fast as a file can be sent.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench import peers
from bench.contenders import KINDS, Contender
from bench.photographs import Photograph
from bench.table import Row, interleaved

CONNECTIONS = 16
UNITS = ("requests/s", "CPU ms/request")


def rows(
    what: str, contenders: Sequence[Contender], photo: Photograph, folder: Path, *, quick: bool
) -> list[Row]:
    """Each kind of rendition, from each contender and from nginx, where that is installed."""
    rounds, seconds = (2, 2) if quick else (5, 3)
    static = folder / "static"
    static.mkdir()
    with ExitStack() as stack:
        asked = list(contenders)
        if program := peers.nginx_program():
            base, pid = stack.enter_context(peers.nginx(program, static, folder))
            asked.append(
                Contender("nginx, static file", pid, lambda _, kind, __: f"{base}/{kind.side}.jpg")
            )
        found = []
        for kind in KINDS:
            ours = contenders[0].checked(photo, kind, kind.side)
            (static / f"{kind.side}.jpg").write_bytes(ours)
            measures = {}
            for contender in asked:
                contender.checked(photo, kind, kind.side)
                url = contender.url(photo, kind, kind.side)
                measures[contender.name] = partial(_wrk, url, contender.pid, seconds)
            name = f"{what}, {kind.name}, {len(ours) / 1000:.0f} kB"
            found += interleaved(name, UNITS, measures, rounds)
    return found


def _wrk(url: str, pid: int, seconds: int) -> tuple[float, float]:
    """Requests a second, and milliseconds of the server's CPU for each."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    before = peers.cpu_seconds(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    spent = peers.cpu_seconds(pid) - before
    assert not re.search("Non-2xx|Socket errors", done.stdout), done.stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    count = re.search(r"(\d+) requests in", done.stdout)
    assert rate, done.stdout
    assert count, done.stdout
    return float(rate[1]), 1000 * spent / int(count[1])
