"""What the operator asks of a node in a transition: report, copy, retire, clean, drain.

Each answers at once; the work goes on behind it, and the next report tells how far it is.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import structlog
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apomixis_node import gossip, identity, leftovers, verify
from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.guard import guard, guard_epoch, read_text
from apomixis_node.peers import RingChangedError
from apomixis_node.rounds import clock_ms
from apomixis_node.state import Node
from apomixis_node.sync import sync
from apomixis_ring.epochs import too_late
from apomixis_ring.model import Ring
from apomixis_ring.rumours import State

BYTES = 64 * 1024
log = structlog.get_logger()


async def report(request: Request) -> Response:
    """What the operator decides from: who this is, what it acknowledged, what it has proved."""
    node = await guard(request)
    return JSONResponse(await own_report(node))


async def own_report(node: Node) -> dict[str, Any]:
    """As JSON values; proofs are grouped by whom they asked."""
    ring = node.rings.known
    members = ring.members if ring is not None else ()
    grouped: dict[tuple[str, ...], list[int]] = {}
    for index, proof in node.knowledge.proofs.items():
        if ring is not None and proof.epoch == ring.epoch:
            grouped.setdefault(tuple(sorted(proof.asked)), []).append(index)
    disk: dict[str, Any]
    try:
        left = await to_thread.run_sync(leftovers.count, node, ring) if ring else 0
        disk = await to_thread.run_sync(node.store.room.usage)
    except DiskFailed as failed:
        left, disk = None, {"failed": str(failed)}
    now = gossip.now_ms()
    return {
        "name": node.identity.name,
        "incarnation": node.identity.incarnation,
        "zone": node.settings.zone,
        "weight": node.settings.weight,
        "url": node.settings.advertised_url,
        "epoch": node.rings.acknowledged,
        "blank": not identity.seen(node.settings.data),
        "proofs": [{"asked": list(k), "partitions": v} for k, v in grouped.items()],
        "leftovers": left,
        "retired": ring is not None and node.retired_at == ring.epoch,
        "ready": node.ready,
        "keys": node.secrets.fingerprints(node.settings.cluster),
        "alive": [m.key for m in members if node.view.state(m.key, now) is State.ALIVE],
        "disk": disk,
        "caughtUp": ring is not None and not node.knowledge.to_catch_up(ring),
        "synced": {"files": node.syncing.files, "bytes": node.syncing.bytes},
        "verify": node.verifying.to_json(),
    }


async def copy(request: Request) -> Response:
    """Sync these partitions (a JSON list) with all their other owners, and prove them."""
    node, _ = await guard_epoch(request)
    try:
        wanted = [int(index) for index in json.loads(await read_text(request, BYTES))]
    except (ValueError, TypeError):
        raise ApiError("bad_request", "Send a JSON list of partitions.") from None
    size = len(node.rings.ring.current)
    if any(not 0 <= index < size for index in wanted):
        raise ApiError("bad_request", f"A partition is 0 to {size - 1}.")
    return _start(node, "copy", lambda: sync(node, wanted), tuple(sorted(set(wanted))))


async def clean(request: Request) -> Response:
    """Drop what is others', on proof."""
    node, _ = await guard_epoch(request)
    ring = node.rings.ring
    return _start(node, "clean", lambda: leftovers.clear(node, ring))


async def retire(request: Request) -> Response:
    """Leaving: hand over whatever the owners lack, and then say so.

    A node that was away too long has nothing to say: what it holds may have been deleted.
    """
    node, _ = await guard_epoch(request)
    ring = node.rings.ring
    if node.key in ring:
        raise ApiError("bad_request", f"{node.identity.name} is a member; it does not leave.")
    return _start(node, "retire", lambda: _retire(node, ring))


async def _retire(node: Node, ring: Ring) -> None:
    seen = identity.seen(node.settings.data) or 0
    late = too_late(seen, clock_ms(), node.settings.tombstone_ms)
    if late or await leftovers.clear(node, ring):
        node.retired_at = ring.epoch


async def drain(request: Request) -> Response:
    """Retired: what is left is set aside, and the volume's next start is another incarnation."""
    node, epoch = await guard_epoch(request)
    if node.retired_at != epoch or node.key in node.rings.ring:
        raise ApiError("bad_request", f"{node.identity.name} has not retired at epoch {epoch}.")
    await to_thread.run_sync(identity.set_aside, node.settings.data)
    log.warning("this volume has left the cluster", epoch=epoch)
    node.stop()
    return JSONResponse({})


async def start_verify(request: Request) -> Response:
    """Begin a pass of verify, or go on with the one that runs."""
    node = await guard(request)
    if not node.verifying.running:
        _start(node, "verify", lambda: verify.run(node))
    return JSONResponse(node.verifying.to_json(), 202)


def _start(
    node: Node, what: str, work: Callable[[], Awaitable[object]], of: Hashable = None
) -> Response:
    """Run it behind the answer; asked for again while it runs, it is not begun again."""

    async def run() -> None:
        try:
            await node.flights.do(("moving", what, of), work)
        except RingChangedError:
            log.info("the ring changed meanwhile", work=what)

    if not node.tasks.start(run(), what):
        raise ApiError("busy", "Too much is going on; try again in a moment.")
    return JSONResponse({}, 202)


ROUTES = [
    Route("/report", report),
    Route("/copy", copy, methods=["POST"]),
    Route("/clean", clean, methods=["POST"]),
    Route("/retire", retire, methods=["POST"]),
    Route("/drain", drain, methods=["POST"]),
    Route("/verify", start_verify, methods=["POST"]),
]
