"""Long-running processes of the cluster, each in a control group of its name, with its log."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kube import cgroups
from kube.home import LOGS

_STARTED: list[subprocess.Popen[bytes]] = []
"""Never waited for: they end by their control group, from whichever process."""


def start(name: str, *command: str | Path, namespace: str | None = None) -> None:
    """Start it, in a network namespace where one is given. It outlives the caller."""
    inside = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
    log = LOGS / f"{name.replace('/', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        started = subprocess.Popen(
            [*inside, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    cgroups.enter(name, started.pid)
    _STARTED.append(started)


def alive(name: str) -> bool:
    return any(True for _ in cgroups.members(name))


def stop(name: str, *, at_once: bool = False) -> None:
    cgroups.end(name, at_once=at_once)


def last_lines(name: str, lines: int = 15) -> str:
    """The end of its log."""
    log = LOGS / f"{name.replace('/', '-')}.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""
