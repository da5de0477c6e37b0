"""`apomixis status`: the ring and every node's own word, as one node sees them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from apomixis_node.cli.target import DataOption, UrlOption, targets
from apomixis_node.cli.terminal import Failure, out, say
from apomixis_ring.model import Ring, RingError
from apomixis_ring.reading import from_json

TIMEOUT_S = 15.0
ALIVE = "alive"
STYLES = {ALIVE: "green", "suspect": "yellow", "unreachable": "bold red"}


def status(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print /api/status as it is, with the whole ring.")
    ] = False,
    url: UrlOption = None,
    data: DataOption = None,
) -> None:
    """Show the nodes and the ring. Exit status 1 unless every node is alive and there is a ring.

        apomixis status --data ./images

    For scripts: `ring` in the JSON has `epoch`, `members`, `current` and `pending`.

        apomixis status --json --url http://127.0.0.1:8080 | jq .ring.epoch
    """
    body = _ask(targets(url, data))
    if as_json:
        typer.echo(json.dumps(body))
    else:
        _show(body)
    alive = all(node.get("state") == ALIVE for node in body["nodes"])
    if not alive or body.get("ring") is None:
        raise typer.Exit(1)


def _ask(urls: tuple[str, ...]) -> dict[str, Any]:
    """The first answer among these nodes."""
    why = ""
    with httpx.Client(timeout=TIMEOUT_S) as client:
        for url in urls:
            try:
                answer = client.get(f"{url}/api/status")
                body = answer.raise_for_status().json()
            except (httpx.HTTPError, ValueError) as wrong:
                why = why or f"{url}: {str(wrong) or type(wrong).__name__}"
                continue
            if isinstance(body, dict) and "nodes" in body:
                return body
            why = why or f"{url} does not answer as a node does"
    raise Failure(f"No node answered ({why}). Is the cluster up? Say where with --url or --data.")


def _show(body: dict[str, Any]) -> None:
    ring = _ring(body.get("ring"))
    table = Table(
        title=f"cluster {body.get('cluster')}, epoch {body.get('epoch')}", title_justify="left"
    )
    for heading in ("node", "zone", "state", "epoch", "owns", "free disk"):
        table.add_column(heading)
    for node in body["nodes"]:
        state = str(node.get("state", "unknown"))
        style = STYLES.get(state, "yellow")
        table.add_row(
            str(node.get("name")),
            str(node.get("zone") or "-"),
            f"[{style}]{state}[/]",
            str(node.get("epoch") or "-"),
            _owned(ring, node),
            _disk(node.get("disk") or {}),
        )
    out.print(table)
    for sentence in _sentences(ring, body):
        say(sentence)


def _ring(value: object) -> Ring | None:
    try:
        return from_json(value) if value is not None else None
    except RingError as wrong:
        raise Failure(f"The node's ring can't be read: {wrong}") from None


def _key(node: dict[str, Any]) -> str:
    return f"{node.get('name')}@{node.get('incarnation')}"


def _owned(ring: Ring | None, node: dict[str, Any]) -> str:
    if ring is None:
        return "-"
    return f"{sum(_key(node) in row for row in ring.current)} of {len(ring.current)}"


def _disk(disk: dict[str, Any]) -> str:
    if "free" not in disk or not disk.get("total"):
        return "-"
    text = f"{disk['free'] / 2**30:.1f} GiB ({100 * disk['free'] // disk['total']} %)"
    return f"{text}, full" if disk.get("full") else text


def _sentences(ring: Ring | None, body: dict[str, Any]) -> list[str]:
    if ring is None:
        return ["There is no ring yet: nothing can be uploaded."]
    table = ring.current
    alive = {_key(node) for node in body["nodes"] if node.get("state") == ALIVE}
    short = sum(
        sum(key in alive for key in row) < table.write_quorum_of(i) for i, row in enumerate(table)
    )
    told = [
        f"{table.replication} copies of everything, {table.write_quorum} before an upload is 201."
    ]
    if short:
        told.append(f"{short} of {len(table)} partitions take no uploads: too few owners answer.")
    if moving := body.get("transition"):
        told.append(str(moving["sentence"]))
    if late := [str(n["name"]) for n in body["nodes"] if n.get("caughtUp") is False]:
        told.append(f"Catching up: {', '.join(late)}.")
    return told
