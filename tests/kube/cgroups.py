"""Control groups: every process of the harness is in one, so that a killed harness leaves nothing
behind that could not be found, and nobody else's process is ever ended.

`NAME` and `MACHINE/NAME` are groups below `apomixis-kube`. On version 1 processes are kept in the
hierarchy `pids`; a machine's pods have their groups in every hierarchy.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
TOP = "apomixis-kube"
SECONDS_TO_END = 10.0


def is_unified() -> bool:
    return (MOUNT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    """Version 2 has one; version 1 one for each controller."""
    if is_unified():
        return [MOUNT]
    return [path for path in MOUNT.iterdir() if path.is_dir() and not path.is_symlink()]


def _processes() -> Path:
    """Where the harness keeps its processes."""
    return (MOUNT if is_unified() else MOUNT / "pids") / TOP


def usable() -> bool:
    """Whether groups can be made here."""
    hierarchy = _processes().parent
    return hierarchy.is_dir() and os.access(hierarchy, os.W_OK)


def make_for_pods(machine: str) -> str:
    """The group that a kubelet makes its pods' groups in, in every hierarchy."""
    for hierarchy in _hierarchies():
        for path in (hierarchy / TOP, hierarchy / TOP / machine):
            path.mkdir(exist_ok=True)
            for limit in ("cpuset.cpus", "cpuset.mems"):  # version 1 starts them empty
                if not is_unified() and (path / limit).exists():
                    (path / limit).write_text((path.parent / limit).read_text())
    return f"/{TOP}/{machine}"


def enter(name: str, pid: int) -> None:
    """Put a process there, and with it all that it will start."""
    path = _processes() / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "cgroup.procs").write_text(str(pid))


def members(name: str = "") -> Iterator[int]:
    """Processes in a group and all groups below it."""
    for listing in (_processes() / name).glob("**/cgroup.procs"):
        try:
            yield from map(int, listing.read_text().split())
        except OSError:  # gone meanwhile
            continue


def end(name: str = "", *, at_once: bool = False) -> None:
    """End what is in a group: asked first, killed after ten seconds, or killed at once."""
    began = time.monotonic()
    asked: set[int] = set()
    while pids := set(members(name)):
        late = at_once or time.monotonic() - began > SECONDS_TO_END
        for pid in pids if late else pids - asked:
            try:
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            except ProcessLookupError:
                continue
        asked |= pids
        time.sleep(0.05)


def remove() -> None:
    """All groups of the harness, once they are empty."""
    for hierarchy in _hierarchies():
        top = hierarchy / TOP
        below = sorted((path for path in top.glob("**/") if path.is_dir()), reverse=True)
        for path in [*below, top]:
            if path.is_dir():
                path.rmdir()
