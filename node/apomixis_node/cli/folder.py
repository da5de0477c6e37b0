"""The folder of `apomixis up`: what lies where, for the command itself and for scripts.

DIR/cluster.json    each node's name, public and internal URL, zone, pid and data folder
DIR/ring.json       the ring that `up` made, in the operator's place
DIR/wanted.json     how many nodes and copies are wanted: `apomixis scale` writes it
DIR/secret          the cluster's secret
DIR/up.lock         locked while an `apomixis up` runs, with its pid in it
DIR/node-0/ …       one node's data      DIR/node-0.log …    what it said
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apomixis_node.cli.terminal import Failure
from apomixis_ring.model import Ring, RingError
from apomixis_ring.reading import loads

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Entry:
    """One node in cluster.json; `pid` is None while it doesn't run."""

    name: str
    public_url: str
    internal_url: str
    zone: str
    pid: int | None
    data: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The paths under DIR, and how each file is written."""

    path: Path

    @property
    def cluster_file(self) -> Path:
        """Who runs where, now."""
        return self.path / "cluster.json"

    @property
    def ring_file(self) -> Path:
        """The newest ring that was put to the nodes."""
        return self.path / "ring.json"

    @property
    def secret_file(self) -> Path:
        """The cluster's secret."""
        return self.path / "secret"

    @property
    def wanted_file(self) -> Path:
        """What is wanted: how many nodes, how many copies. `apomixis scale` changes it."""
        return self.path / "wanted.json"

    def wanted(self) -> dict[str, Any]:
        """wanted.json, {} before there is one. Raises Failure if it can't be read."""
        try:
            found = json.loads(self.wanted_file.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as wrong:
            raise Failure(f"{self.wanted_file} can't be read: {wrong}.") from None
        return found if isinstance(found, dict) else {}

    def keep_wanted(self, wanted: dict[str, Any]) -> None:
        """Write wanted.json."""
        _write(self.wanted_file, json.dumps(wanted, indent=2) + "\n")

    def data(self, name: str) -> Path:
        """A node's data folder."""
        return self.path / name

    def log(self, name: str) -> Path:
        """What a node wrote on stdout and stderr."""
        return self.path / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder, and keeps every other `apomixis up` off it until this one has ended."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as wrong:
            raise Failure(f"{self.path} can't be written: {wrong.strerror}.") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(handle, 32).decode().strip() or "unknown"
            os.close(handle)
            raise Failure(
                f"Another `apomixis up` (process {pid}) runs with {self.path}; "
                "end it with Ctrl-C there, or choose another --data."
            ) from None
        try:
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
            yield
        finally:
            os.close(handle)

    def secret(self) -> str:
        """The cluster's secret, made the first time; only its owner can read the file."""
        if not self.secret_file.exists():
            _write(self.secret_file, secrets.token_urlsafe(32) + "\n", mode=0o600)
        return self.secret_file.read_text().split()[0]

    def ring(self) -> Ring | None:
        """The ring kept from the last time, or None in a new folder. Raises Failure if broken."""
        try:
            return loads(self.ring_file.read_text())
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, RingError) as wrong:
            raise Failure(
                f"{self.ring_file} is not a ring: {wrong}. Every node keeps a copy in its data "
                f"folder; put the newest one in its place."
            ) from None

    def keep_ring(self, ring: Ring) -> None:
        """Write ring.json, durably."""
        _write(self.ring_file, ring.dumps() + "\n")

    def keep_cluster(self, cluster: str, entries: tuple[Entry, ...]) -> None:
        """Write cluster.json."""
        content = {"cluster": cluster, "nodes": [asdict(entry) for entry in entries]}
        _write(self.cluster_file, json.dumps(content, indent=2) + "\n")

    def entries(self) -> tuple[Entry, ...]:
        """The nodes in cluster.json. Raises Failure if there is none to read."""
        try:
            nodes = json.loads(self.cluster_file.read_text())["nodes"]
            return tuple(Entry(**node) for node in nodes)
        except FileNotFoundError:
            raise Failure(
                f"{self.path} has no cluster.json; start one with "
                f"`apomixis up --nodes 3 --data {self.path}`."
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as wrong:
            raise Failure(f"{self.cluster_file} can't be read: {wrong}.") from None


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace `path` whole and durably, or leave it as it was."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
