"""`apomixis scale`, `apomixis replace`: change what is wanted; the running `up` carries it out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from apomixis_node.cli.folder import Folder
from apomixis_node.cli.processes import MOST_NODES
from apomixis_node.cli.terminal import Failure, say

DataArgument = Annotated[
    Path, typer.Option("--data", help="Folder of the `apomixis up` that is to change.")
]


def scale(
    nodes: Annotated[int, typer.Argument(min=1, max=MOST_NODES, help="How many nodes.")],
    data: DataArgument,
    replication: Annotated[
        int | None, typer.Option(min=1, max=7, help="Copies of every original, if they change.")
    ] = None,
    write_quorum: Annotated[
        int | None, typer.Option(min=1, max=7, help="Copies before a 201, if that changes.")
    ] = None,
) -> None:
    """Grow or shrink a running cluster; no picture is out of reach meanwhile.

    From three nodes to five, in the folder of an `apomixis up`:

        apomixis scale 5 --data ./images

    It may be changed again half-way, back as well. `apomixis status` shows how far it is.
    """
    folder = Folder(data.absolute())
    wanted = _known(folder)
    copies = replication or wanted.get("replication")
    quorum = write_quorum or (None if replication else wanted.get("write_quorum"))
    if isinstance(quorum, int) and isinstance(copies, int) and quorum > copies:
        raise Failure(f"--write-quorum {quorum} is more than the {copies} copies; lower it.")
    if replication:
        wanted |= {"replication": replication, "write_quorum": quorum or replication // 2 + 1}
    elif write_quorum:
        wanted |= {"write_quorum": write_quorum}
    folder.keep_wanted({**wanted, "nodes": nodes})
    say(f"{nodes} nodes are wanted. `apomixis status --data {data}` shows how far it is.")


def replace(
    node: Annotated[str, typer.Argument(help="Name of the node whose disk is lost: `node-2`.")],
    data: DataArgument,
) -> None:
    """Give a node a blank volume in place of a lost one; the others copy what it held to it.

        apomixis replace node-2 --data ./images

    What is left of its old folder is kept beside it, with `.lost` in its name.
    """
    folder = Folder(data.absolute())
    wanted = _known(folder)
    ring = folder.ring()
    keys = [m.key for m in ring.members if m.name == node] if ring else []
    if not keys:
        names = ", ".join(m.name for m in ring.members) if ring else "nobody"
        raise Failure(f"{node} is no member; members are {names}.")
    replaced = [*wanted.get("replaced", []), *keys]
    folder.keep_wanted({**wanted, "replaced": list(dict.fromkeys(replaced))})
    say(f"{node} gets a blank volume; `apomixis status --data {data}` shows how far it is.")


def _known(folder: Folder) -> dict[str, Any]:
    wanted = folder.wanted()
    if not wanted:
        raise Failure(f"{folder.path} is no folder of an `apomixis up`; name one with --data.")
    return wanted
