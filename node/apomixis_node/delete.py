"""`DELETE /image/{id}`: a tombstone on enough owners, and nothing of the picture left anywhere.

The order on each node: tombstone fsynced, original unlinked, renditions purged, acknowledged.
"""

from __future__ import annotations

import asyncio

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from apomixis_node import originals
from apomixis_node.access import bearer
from apomixis_node.errors import ApiError
from apomixis_node.peers import STAMP, RingChangedError, UnreachableError
from apomixis_node.replicate import as_errors, refuse_late
from apomixis_node.rounds import write_everywhere
from apomixis_node.state import Node
from apomixis_ring.model import Member, Ring, is_image_id
from apomixis_ring.quorum import Decision, deleted

PATIENCE_S = 3.0


async def delete(request: Request) -> Response:
    """The public route: 200, a second time too; 404 for an id that nobody ever had."""
    node: Node = request.app.state.node
    image_id = request.path_params["id"]
    if not is_image_id(image_id):
        raise ApiError("bad_id", "An id is 40 lowercase hex digits: the SHA-1 of the bytes.")
    node.upload_keys.check(bearer(request.headers.get("authorization")))
    try:
        await originals.find(node, image_id)
    except ApiError as error:
        if error.code != "deleted":
            raise
    outcome = await write_everywhere(node, _Delete(node, image_id), lambda: None)
    left = await _purge_everywhere(node, image_id)
    body = {
        "hash": image_id,
        "deleted": True,
        "nodes": list(outcome.nodes),
        "satisfied": outcome.satisfied and not left,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


class _Delete:
    """A Write of a tombstone."""

    def __init__(self, node: Node, image_id: str) -> None:
        self.image_id = image_id
        self._node = node

    def decide(self, ring: Ring, holders: set[str]) -> Decision:
        """max(W, R) owners of each table."""
        return deleted(ring, self.image_id, holders)

    async def here(self, epoch: int, stamp: int) -> bool:
        """Bury it on this node."""
        await bury_here(self._node, epoch, self.image_id, stamp)
        return True

    async def there(self, member: Member, ring: Ring, stamp: int) -> bool:
        """Have another owner bury it."""
        await bury_there(self._node, member, ring, self.image_id, stamp, copy=False)
        return True


async def bury_there(
    node: Node, member: Member, ring: Ring, image_id: str, stamp: int, *, copy: bool
) -> None:
    """Put a tombstone to a member, as a delete or as a copy of one."""
    path = f"/tombstones/{image_id}" + ("?copy=1" if copy else "")
    await node.peers.call(member, "PUT", path, ring=ring, headers={STAMP: str(stamp)})


async def bury_here(
    node: Node, epoch: int, image_id: str, stamp: int, *, copy: bool = False
) -> None:
    """A tombstone on this node under `epoch`, its original and renditions gone. Raises ApiError."""

    def bury() -> None:
        node.store.bury(image_id, stamp, still_allowed=lambda: node.rings.require(epoch), copy=copy)

    if not copy:
        refuse_late(node, stamp)
    async with node.rings.writing(epoch):
        with as_errors(node, image_id):
            await to_thread.run_sync(bury)


async def _purge_everywhere(node: Node, image_id: str) -> list[str]:
    """Purge what members that are no owners keep of it; names of those that did not answer.

    Verify finishes the job there.
    """
    ring = node.rings.ring
    owners = {m.key for m in ring.writers(image_id)}
    others = [m for m in ring.members if m.key not in owners]

    async def purge(member: Member) -> str | None:
        if node.is_me(member):
            await to_thread.run_sync(node.cache.purge, image_id)
            return None
        try:
            await node.peers.call(
                member, "POST", f"/purge/{image_id}", ring=ring, patience=PATIENCE_S
            )
        except (UnreachableError, RingChangedError, ApiError):
            return member.name
        return None

    return [name for name in await asyncio.gather(*map(purge, others)) if name]
