"""`GET /info/{id}` and `GET /api/status`: what the cluster holds of a picture, and how it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from apomixis_node import originals, renditions
from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.peers import RingChangedError, UnreachableError
from apomixis_node.state import Node
from apomixis_ring.model import Member, Ring, is_image_id
from apomixis_ring.moving import moving

STATUS_TIMEOUT_S = 2.0


async def info(request: Request) -> Response:
    """Format, pixel size, length, time of upload, owners, and who holds it right now."""
    node: Node = request.app.state.node
    image_id = request.path_params["id"]
    if not is_image_id(image_id):
        raise ApiError("bad_id", "An id is 40 lowercase hex digits: the SHA-1 of the bytes.")
    held = await originals.find(node, image_id)
    about = await renditions.about(node, image_id)
    ring = node.rings.ring
    owners = ring.owners(image_id)
    holding = await asyncio.gather(*(_holds(node, m, ring, image_id) for m in owners))
    body = {
        "hash": image_id,
        "format": about.format.pillow.lower(),
        "extension": held.extension,
        "width": about.width,
        "height": about.height,
        "length": held.length,
        "animated": about.animated,
        "alpha": about.alpha,
        "color": about.color,
        "placeholder": about.placeholder,
        "uploaded": datetime.fromtimestamp(held.stamp / 1000, UTC).isoformat(),
        "owners": [m.name for m in owners],
        "holders": [m.name for m, holds in zip(owners, holding, strict=True) if holds],
        "unknown": [m.name for m, holds in zip(owners, holding, strict=True) if holds is None],
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


async def _holds(node: Node, member: Member, ring: Ring, image_id: str) -> bool | None:
    """Whether that member holds it, asked now; None where it did not answer."""
    try:
        if node.is_me(member):
            await originals.here(node, image_id)
        else:
            await node.peers.call(member, "GET", f"/held/{image_id}", ring=ring)
    except (UnreachableError, RingChangedError):
        return None
    except ApiError as error:
        return False if error.code in ("not_found", "deleted") else None
    return True


async def cluster_status(node: Node) -> dict[str, Any]:
    """The ring and every member's own word; silence is `unreachable`, never a guess."""
    ring = node.rings.known
    members = ring.members if ring else ()
    nodes = list(await asyncio.gather(*(_member_status(node, m, ring) for m in members)))
    return {
        "cluster": node.identity.cluster,
        "epoch": node.rings.epoch,
        "self": node.identity.name,
        "ready": node.ready,
        "ring": ring.to_json() if ring else None,
        "nodes": nodes or [await own_status(node)],
        "transition": _transition(ring, nodes) if ring else None,
    }


def _transition(ring: Ring, nodes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How far the move to the pending owners is, by their own words."""
    proved = {f"{n['name']}@{n['incarnation']}": int(n.get("proved") or 0) for n in nodes}
    found = moving(ring, proved)
    if found is None:
        return None
    return {
        "sentence": found.sentence,
        "percent": found.percent,
        "partitions": found.partitions,
        "joining": list(found.joining),
        "leaving": list(found.leaving),
    }


async def _member_status(node: Node, member: Member, ring: Ring | None) -> dict[str, Any]:
    if node.is_me(member) or ring is None:
        return {**await own_status(node), "url": member.url, "state": "alive"}
    told = {
        "name": member.name,
        "incarnation": member.incarnation,
        "zone": member.zone,
        "url": member.url,
    }
    try:
        answer = await node.peers.call(
            member, "GET", "/status", ring=ring, patience=STATUS_TIMEOUT_S
        )
    except UnreachableError as silence:
        return {**told, "epoch": None, "state": "unreachable", "why": str(silence)}
    except (RingChangedError, ApiError) as wrong:
        return {**told, "epoch": None, "state": "suspect", "why": str(wrong)}
    return {**answer.json(), **told, "state": "alive"}


async def own_status(node: Node) -> dict[str, Any]:
    """This node's own word: identity, epoch, disk, and what it is busy with."""
    try:
        disk: dict[str, Any] = await to_thread.run_sync(node.store.room.usage)
    except DiskFailed as failed:
        disk = {"failed": str(failed)}
    ring = node.rings.known
    return {
        "name": node.identity.name,
        "incarnation": node.identity.incarnation,
        "zone": node.settings.zone,
        "url": node.settings.advertised_url,
        "epoch": node.rings.epoch,
        "state": "alive",
        "disk": disk,
        "uploads": node.uploads_under_way,
        "caughtUp": ring is not None and not node.knowledge.to_catch_up(ring),
        "proved": sum(p.epoch == node.rings.epoch for p in node.knowledge.proofs.values()),
        "verify": node.verifying.to_json(),
    }


async def status(request: Request) -> Response:
    """The cluster's status as JSON."""
    body = await cluster_status(request.app.state.node)
    return JSONResponse(body, headers={"Cache-Control": "no-store"})
