"""A real cluster for tests: `apomixis up` as a process, its nodes on free ports of this machine.

    with Cluster(tmp_path / "data", nodes=3) as cluster:
        cluster.kill("node-1")  # SIGKILL; `up` starts it again, unless restart=False
        cluster.wait_ready("node-1")
        httpx.get(cluster.url("node-0") + "/readyz")

Everything that waits has a deadline and says what it waited for, with what `up` had said.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Self

import httpx
import psutil

from apomixis_node.cli.folder import Entry, Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

START_S = 60.0
STOP_S = 45.0
POLL_S = 0.05
INTERNAL_AFTER = 100
APOMIXIS = (sys.executable, "-m", "apomixis_node")


def free_port(nodes: int) -> int:
    """A port from which `apomixis up` can take all that it needs for this many nodes.

    Below the ports that the kernel gives to outgoing connections, and drawn at random, so that
    tests at the same time seldom meet; `Cluster` draws again if they do.
    """
    for _ in range(100):
        first = random.randrange(10_000, 32_000)
        wanted = [first + after + i for after in (0, INTERNAL_AFTER) for i in range(nodes)]
        with ExitStack() as taken, suppress(OSError):
            for port in wanted:
                listener = taken.enter_context(socket.socket())
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
            return first
    raise RuntimeError("no free ports")


class Cluster:
    """One `apomixis up`. A context manager: started at its begin, ended with Ctrl-C at its end."""

    def __init__(
        self,
        data: Path,
        *,
        nodes: int | None = 3,
        replication: int | None = None,
        write_quorum: int | None = None,
        zones: Sequence[str] = (),
        restart: bool = True,
        port: int | None = None,
        nginx: bool = False,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` reaches every node: `{"APOMIXIS_MAX_BYTES": "1MiB"}`."""
        self.folder = Folder(data)
        self.log = data.parent / f"{data.name}.up.log"
        self._count = nodes
        self._port = port
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("APOMIXIS_")}
        self._environment |= {"COLUMNS": "200", **(environment or {})}
        options = {"--nodes": nodes, "--replication": replication, "--write-quorum": write_quorum}
        self._arguments = [f"{o}={v}" for o, v in options.items() if v is not None]
        self._arguments += [f"--zones={','.join(zones)}"] if zones else []
        self._arguments += [] if restart else ["--no-restart"]
        self._arguments += ["--nginx" if nginx else "--no-nginx"]
        self._arguments += arguments
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The `apomixis up` process."""
        assert self._process is not None, "the cluster was not started"
        return self._process

    @property
    def nodes(self) -> tuple[Entry, ...]:
        """The nodes as cluster.json has them now."""
        return self.folder.entries()

    @property
    def said(self) -> str:
        """What `up` has said so far, on stdout and stderr."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def node(self, name: str) -> Entry:
        """One node, as cluster.json has it now."""
        return next(entry for entry in self.nodes if entry.name == name)

    def url(self, name: str) -> str:
        """A node's public base URL."""
        return self.node(name).public_url

    @property
    def urls(self) -> tuple[str, ...]:
        """Public base URLs, node-0 first."""
        return tuple(entry.public_url for entry in self.nodes)

    def start(self, *, ready: bool = True) -> None:
        """Start, and wait until every node is ready (or only until cluster.json is there)."""
        for _ in range(5):
            self._spawn()
            try:
                self._wait_started(ready=ready)
            except AssertionError:
                if "Address already in use" in self.said and self._port is None:
                    continue
                self.stop()
                raise
            return
        raise AssertionError(f"no free ports after several attempts:\n{self.said}")

    def _spawn(self) -> None:
        kept = self.folder.cluster_file.exists() and self._port is None
        port = [] if kept else [f"--port={self._port or free_port(self._count or 3)}"]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*APOMIXIS, "up", "--data", str(self.folder.path), *port, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # so that a test's Ctrl-C is not the cluster's
            )

    def _wait_started(self, *, ready: bool) -> None:
        self.wait(self._own_file, "cluster.json with every node in it")
        if ready:
            self.wait_ready(*(entry.name for entry in self.nodes))

    def _own_file(self) -> bool:
        if "Starting" not in self.said:
            return False
        nodes = self.nodes
        return bool(nodes) and all(e.pid is not None and alive(e.pid) for e in nodes)

    def wait_ready(self, *names: str, seconds: float = START_S) -> None:
        """Wait until each of these nodes (all, if none is named) answers /readyz with 200."""
        for name in names or [entry.name for entry in self.nodes]:
            self.wait(partial(self._ready, name), f"{name} to be ready", seconds=seconds)

    def _ready(self, name: str) -> bool:
        entry = self.node(name)
        if entry.pid is None:
            return False
        try:
            answer = httpx.get(f"{entry.public_url}/readyz", timeout=5.0, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def wait(self, true: Callable[[], bool], what: str, *, seconds: float = START_S) -> None:
        """Wait until `true()`; fails at the deadline, or when `up` has ended meanwhile."""
        deadline = time.monotonic() + seconds
        while not true():
            status = self.process.poll()
            assert status is None, f"`up` ended ({status}) before {what}:\n{self.said}"
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}:\n{self.said}"
            time.sleep(POLL_S)

    def wait_said(self, text: str, *, seconds: float = START_S) -> None:
        """Wait until `up` has said this."""
        self.wait(lambda: text in self.said, f"it to say {text!r}", seconds=seconds)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a node's process; returns when it is gone (or starts again)."""
        pid = self.node(name).pid
        assert pid is not None, f"{name} does not run"
        os.kill(pid, number)
        self.wait(lambda: self.node(name).pid != pid, f"{name} (process {pid}) to be gone")

    def interrupt(self) -> int:
        """Ctrl-C; the exit status of `up`."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_S)

    def stop(self) -> None:
        """End everything; nothing that was started stays, whatever happened."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            self.interrupt()
        except subprocess.TimeoutExpired:
            self._process.kill()  # its nodes end by themselves
            self._process.wait()
            raise AssertionError(f"`up` did not end within {STOP_S} s:\n{self.said}") from None


def alive(pid: int) -> bool:
    """Whether this process runs; a zombie doesn't."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
