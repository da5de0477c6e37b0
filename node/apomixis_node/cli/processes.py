"""Node processes on this machine: started, watched, started again when they die, ended.

A node ends with `apomixis up` even if that is killed outright: it holds the reading end of a pipe,
and ends when nobody holds the other one.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LOOPBACK = "127.0.0.1"
MOST_NODES = 100
GRACE_S = 15.0  # from SIGTERM to SIGKILL
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_S = 60.0  # a node that ran this long is well again: its next delay is the first


@dataclass(frozen=True, slots=True)
class Spec:
    """One node to run: its name, its addresses, its folder."""

    name: str
    host: str
    port: int
    internal_port: int
    zone: str
    data: Path
    log: Path
    socket: Path | None = None  # between nginx and the node; None: the node serves by itself

    @property
    def public_url(self) -> str:
        """Where a browser on this machine reaches it."""
        host = LOOPBACK if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def internal_host(self) -> str:
        """Never beyond this machine; where every loopback address works, each node has its own.

        Its calls leave from there, so that one can see, or cut, who talks to whom.
        """
        if not sys.platform.startswith("linux"):
            return LOOPBACK
        high, low = divmod(ordinal(self.name), 250)
        return f"127.0.{high}.{low + 2}"

    @property
    def internal_url(self) -> str:
        """Where its peers reach it."""
        return f"http://{self.internal_host}:{self.internal_port}"

    def environment(self, cluster: str, secret_file: Path) -> dict[str, str]:
        """The settings of this node; every other variable is handed on."""
        socket = {"APOMIXIS_SOCKET": str(self.socket)} if self.socket else {}
        return (
            os.environ
            | socket
            | {
                "APOMIXIS_NAME": self.name,
                "APOMIXIS_CLUSTER": cluster,
                "APOMIXIS_ZONE": self.zone,
                "APOMIXIS_DATA": str(self.data),
                "APOMIXIS_HOST": self.host,
                "APOMIXIS_PORT": str(self.port),
                "APOMIXIS_INTERNAL_HOST": self.internal_host,
                "APOMIXIS_INTERNAL_PORT": str(self.internal_port),
                "APOMIXIS_INTERNAL_URL": self.internal_url,
                "APOMIXIS_SECRET_FILE": str(secret_file),
            }
        )


def busy_port(specs: tuple[Spec, ...]) -> str | None:
    """One sentence about the first port that can't be listened on, or None if all can be."""
    for spec in specs:
        for host, port in ((spec.host, spec.port), (spec.internal_host, spec.internal_port)):
            if why := _refused(host, port):
                return f"{spec.name} can't listen on {host}:{port}: {why}"
    return None


def _refused(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except (OSError, OverflowError) as wrong:
            return getattr(wrong, "strerror", None) or str(wrong)
    return None


def delay_before_restart(failures: int, chance: float) -> float:
    """Seconds to wait after that many failures in a row (from 1); `chance` is 0 to 1.

    Doubles up to a bound; spread over the upper half, so that nodes that died together don't
    start together.
    """
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True)
class Ended:
    """A node ended without being told to. `status` as subprocess has it: below 0 is a signal."""

    status: int
    ran_s: float

    def __str__(self) -> str:
        if self.status < 0:
            with suppress(ValueError):
                return f"was ended by {signal.Signals(-self.status).name}"
        return f"ended with status {self.status}"


@dataclass(frozen=True, slots=True)
class Program:
    """What is run for a spec: a command of ours, and the signal that ends it in order."""

    command: tuple[str, ...]
    end: signal.Signals


NODE = Program(("node", "--end-with-stdin"), signal.SIGTERM)
NGINX = Program(("nginx", "--end-with-parent"), signal.SIGQUIT)


class Keeper:
    """Keeps one node, or the nginx in front of it, running until told to end it."""

    def __init__(
        self,
        spec: Spec,
        environment: Mapping[str, str],
        *,
        restart: bool,
        hurry: asyncio.Event,
        on_start: Callable[[Spec], None],
        on_end: Callable[[Spec, Ended, float | None], None],
        program: Program = NODE,
    ) -> None:
        """`on_start` is told of each new process, `on_end` of its death and the delay after it.

        The delay is None where the node stays down. `hurry` cuts the grace short.
        """
        self.spec = spec
        self._environment = environment
        self._restart = restart
        self._hurry = hurry
        self._on_start = on_start
        self._on_end = on_end
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process id, or None while it doesn't run."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    def end(self) -> None:
        """Begin to end the node; `run` returns when it has ended."""
        self._ending.set()

    async def run(self) -> None:
        """Start the node, again each time it dies; returns when it has ended for good."""
        failures = 0
        while not self._ending.is_set():
            ended = await self._run_once()
            if self._ending.is_set():
                return
            failures = 1 if ended.ran_s > STEADY_S else failures + 1
            delay = delay_before_restart(failures, random.random()) if self._restart else None  # noqa: S311
            self._on_end(self.spec, ended, delay)
            if delay is None:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), delay)

    async def _run_once(self) -> Ended:
        began = time.monotonic()
        self._process = process = await self._start()
        self._on_start(self.spec)
        gone = asyncio.create_task(process.wait())
        if not await _first(gone, self._ending):
            await self._terminate(process, gone)
        await gone
        with suppress(ProcessLookupError):  # what a killed one has left behind
            os.killpg(process.pid, signal.SIGKILL)
        return Ended(await gone, time.monotonic() - began)

    async def _start(self) -> asyncio.subprocess.Process:
        self.spec.data.mkdir(parents=True, exist_ok=True)
        with self.spec.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches `up` alone, which ends its nodes.
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "apomixis_node", *self._program.command),
                env=dict(self._environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _terminate(
        self, process: asyncio.subprocess.Process, gone: asyncio.Task[int]
    ) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(self._program.end)
        if not await _first(gone, self._hurry, within=GRACE_S):
            with suppress(ProcessLookupError):
                process.kill()


async def _first(
    gone: asyncio.Task[int], event: asyncio.Event, within: float | None = None
) -> bool:
    """Wait for either, at most `within` seconds; whether the process has gone."""
    told = asyncio.create_task(event.wait())
    await asyncio.wait({gone, told}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    return gone.done()


def ordinal(name: str) -> int:
    """2 for node-2."""
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else MOST_NODES
