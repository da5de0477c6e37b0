"""`/status/events`: server-sent events, one whenever the cluster's status has changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from apomixis_node import info
from apomixis_node.errors import ApiError
from apomixis_node.state import Node

EVERY_S = 1.0
MOST = 32
KEEP_S = 600.0  # then the browser connects again


async def events(request: Request) -> Response:
    """The public route; at most so many pages a node are live at once."""
    node: Node = request.app.state.node
    if node.watchers >= MOST:
        raise ApiError("busy", "Too many live pages here; this one can be reloaded by hand.")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_changes(node), headers=headers, media_type="text/event-stream")


async def _changes(node: Node) -> AsyncIterator[str]:
    node.watchers += 1
    try:
        last = ""
        deadline = asyncio.get_running_loop().time() + KEEP_S
        while not node.stopping and asyncio.get_running_loop().time() < deadline:
            now = _digest(await info.cluster_status(node))
            yield f"event: status\ndata: {now}\n\n" if now != last else ": same\n\n"
            last = now
            await asyncio.sleep(EVERY_S)
    finally:
        node.watchers -= 1


def _digest(status: dict[str, Any]) -> str:
    """Changes when something does that a person would look at; not with every byte on a disk."""
    nodes = [
        {k: v for k, v in n.items() if k not in ("disk", "uploads", "why")} | {"full": _full(n)}
        for n in status["nodes"]
    ]
    text = json.dumps([status["epoch"], status["transition"], nodes], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _full(node: dict[str, Any]) -> bool:
    return bool((node.get("disk") or {}).get("full"))
