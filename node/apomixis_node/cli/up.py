"""`apomixis up`: a cluster of real nodes on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from apomixis_node.cli.cluster import Cluster
from apomixis_node.cli.folder import Folder
from apomixis_node.cli.keeping import Shape, Wanted, shape
from apomixis_node.cli.nginx import program
from apomixis_node.cli.processes import LOOPBACK, MOST_NODES, Spec, busy_port, ordinal
from apomixis_node.cli.terminal import Failure
from apomixis_node.settings import LONGEST_SOCKET

DEFAULT_PORT = 8080
INTERNAL_PORTS_AFTER = 100


def up(
    data: Annotated[
        Path, typer.Option(help="Folder for everything: a data folder per node, the ring, logs.")
    ],
    nodes: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_NODES, help="How many nodes.  [default: 3]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Public port of node-0; node-1 has the next one. Internal ports are 100 higher. "
            " [default: 8080]",
        ),
    ] = None,
    replication: Annotated[
        int | None, typer.Option(min=1, max=7, help="Copies of every original.  [default: 3]")
    ] = None,
    write_quorum: Annotated[
        int | None,
        typer.Option(
            min=1, max=7, help="Copies that must stand before 201.  [default: the majority]"
        ),
    ] = None,
    zones: Annotated[
        str | None,
        typer.Option(help="Zones, dealt to the nodes in turn: `a,b,c`. Copies spread over zones."),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address of the public listeners; 0.0.0.0 opens them to your network."),
    ] = LOOPBACK,
    sample: Annotated[
        bool, typer.Option("--sample", help="Upload a drawn picture and print where to see it.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart/--no-restart", help="Start a node again when it dies.")
    ] = True,
    nginx: Annotated[
        bool | None,
        typer.Option(
            "--nginx/--no-nginx",
            help="Put nginx in front of every node.  [default: where it is installed]",
        ),
    ] = None,
) -> None:
    """Run a cluster on this machine: real nodes, one process and one data folder each.

    Three nodes, and a picture to look at:

        apomixis up --nodes 3 --data ./images --sample

    Five nodes in three zones, three copies of everything, each upload safe on two before 201:

        apomixis up --nodes 5 --data ./images --zones a,b,c --replication 3 --write-quorum 2

    The same cluster again, with all its pictures: the number of nodes and copies is kept.

        apomixis up --data ./images

    Ctrl-C ends all nodes, a second one at once. `DIR/cluster.json` lists each node's name, URLs,
    zone and process id; `DIR/node-0.log` is what node-0 said. Environment variables that begin
    with `APOMIXIS_` reach every node. Where nginx is installed, it stands in front of every node
    and serves by itself what is on disk.
    """
    folder = Folder(data.absolute())
    wanted = Wanted(nodes, replication, write_quorum, _words(zones))
    with folder.locked():
        kept = folder.ring()
        wanted_shape = shape(wanted, kept, folder.wanted())
        first = port or _kept_port(folder) or DEFAULT_PORT
        installed = program() is not None
        if nginx and not installed:
            raise Failure("nginx is not installed; leave --nginx out.")
        make = _Specs(folder, wanted_shape, host, first, nginx=installed and nginx is not False)
        if sentence := busy_port(tuple(make(name) for name in wanted_shape.names)):
            raise Failure(f"{sentence}. End what listens there, or choose others with --port.")
        if not folder.wanted():
            folder.keep_wanted(wanted_shape.aim())
        cluster = Cluster(folder, make, wanted_shape, kept, restart=restart, draw=sample)
        asyncio.run(cluster.run())


def _words(text: str | None) -> tuple[str, ...] | None:
    words = tuple(word.strip() for word in (text or "").split(",") if word.strip())
    return words or None


def _kept_port(folder: Folder) -> int | None:
    if not folder.cluster_file.exists():
        return None
    urls = [entry.public_url for entry in folder.entries()[:1]]
    return int(urls[0].rpartition(":")[2]) if urls else None


class _Specs:
    """Makes the spec of a node from its name: node-2 has the third ports."""

    def __init__(self, folder: Folder, shape: Shape, host: str, first: int, *, nginx: bool) -> None:
        self._folder, self._shape, self._host, self._first = folder, shape, host, first
        self._nginx = nginx
        self(shape.names[-1])

    def __call__(self, name: str) -> Spec:
        port = self._first + ordinal(name)
        if port + INTERNAL_PORTS_AFTER > 65535:
            raise Failure(
                f"--port {self._first} leaves no room for ports up to "
                f"{port + INTERNAL_PORTS_AFTER}; choose a lower one."
            )
        return Spec(
            name=name,
            host=self._host,
            port=port,
            internal_port=port + INTERNAL_PORTS_AFTER,
            zone=self._shape.zone(name),
            data=self._folder.data(name),
            log=self._folder.log(name),
            socket=_socket(self._folder.data(name)) if self._nginx else None,
        )


def _socket(data: Path) -> Path:
    """In the data folder; where its path is too long for a socket, among the temporary files."""
    path = data / "public.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"apomixis-{os.geteuid()}-{name}.sock"
