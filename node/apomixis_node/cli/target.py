"""Which nodes a command talks to: `--url`, `--data`, or node-0 of a cluster on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from apomixis_node.cli.folder import Folder
from apomixis_node.cli.terminal import Failure

DEFAULT_URL = "http://127.0.0.1:8080"

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="APOMIXIS_URL",
        help=f"Public address of a node or of the Ingress.  [default: {DEFAULT_URL}]",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of an `apomixis up`: its nodes are taken from there."),
]


def targets(url: str | None, data: Path | None) -> tuple[str, ...]:
    """Base URLs without a slash at the end, at least one; `--data` wins. Raises Failure."""
    if data is not None:
        entries = Folder(data.absolute()).entries()
        running = [entry.public_url for entry in entries if entry.pid is not None]
        return tuple(running or [entry.public_url for entry in entries])
    given = (url or DEFAULT_URL).rstrip("/")
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Failure(f"{given} is not an address; give one as in {DEFAULT_URL}.")
    return (given,)
