"""What this node holds, for its peers: digests, inventories, many files at once, tombstones.

Routes of the internal listener. Lists are given behind the barrier of the caller's epoch, so that
what an older ring allowed is in them or can't happen any more.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import aclosing

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from apomixis_node import inventory
from apomixis_node.copies import Original
from apomixis_node.delete import bury_here
from apomixis_node.errors import ApiError
from apomixis_node.frames import Head
from apomixis_node.guard import guard_epoch, image_id_of, read_text
from apomixis_node.originals import read_file
from apomixis_node.peers import STAMP
from apomixis_node.replicate import as_errors
from apomixis_node.state import Node
from apomixis_ring.model import is_image_id

IDS_BYTES = 1024 * 1024


async def digests(request: Request) -> Response:
    """The digests of all partitions that are not empty here, by partition."""
    node, epoch = await guard_epoch(request)
    await node.rings.barrier(epoch)
    with as_errors(node):
        return JSONResponse(await to_thread.run_sync(node.digests.all))


async def listing(request: Request) -> Response:
    """Everything of one partition, by id: [stamp, deleted, extension, length in bytes]."""
    node, epoch = await guard_epoch(request)
    await node.rings.barrier(epoch)
    index = _index(request, node)
    with as_errors(node):
        found = await to_thread.run_sync(inventory.listing, node.store, index)
    return JSONResponse(
        {i: [e.mark.stamp, e.mark.deleted, e.extension, e.length] for i, e in found.items()}
    )


def _index(request: Request, node: Node) -> int:
    text: str = request.path_params["index"]
    size = len(node.rings.ring.current)
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) < size):
        raise ApiError("bad_request", f"A partition is 0 to {size - 1}.")
    return int(text)


async def batch(request: Request) -> Response:
    """The originals with these ids (one a line), framed; those that are not here are left out."""
    node, _ = await guard_epoch(request)
    ids = (await read_text(request, IDS_BYTES)).split()
    if not all(is_image_id(i) for i in ids):
        raise ApiError("bad_id", "A line is not an id.")
    return StreamingResponse(_frames(node, ids), media_type="application/octet-stream")


async def _frames(node: Node, ids: list[str]) -> AsyncIterator[bytes]:
    for image_id in ids:
        found = await to_thread.run_sync(node.store.find, image_id)
        if not isinstance(found, Original):
            continue
        try:
            descriptor = os.open(found.path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        yield Head(image_id, found.extension, found.length, found.stamp).dumps()
        async with aclosing(read_file(descriptor, 0, found.length)) as chunks:
            async for chunk in chunks:
                yield chunk


async def marks(request: Request) -> Response:
    """The marks that are here for good of these ids (one a line): [stamp, deleted] or null."""
    node, epoch = await guard_epoch(request)
    await node.rings.barrier(epoch)
    ids = (await read_text(request, IDS_BYTES)).split()
    if not all(is_image_id(i) for i in ids):
        raise ApiError("bad_id", "A line is not an id.")

    def look() -> dict[str, list[int | bool] | None]:
        found = {i: node.store.mark(i) for i in ids}
        return {i: [m.stamp, m.deleted] if m else None for i, m in found.items()}

    with as_errors(node):
        return JSONResponse(await to_thread.run_sync(look))


async def put_tombstone(request: Request) -> Response:
    """Bury an id; with `?copy=1` because another holder has buried it."""
    node, epoch = await guard_epoch(request)
    image_id = image_id_of(request)
    stamp = request.headers.get(STAMP, "")
    if not stamp.isdigit():
        raise ApiError("bad_request", f"The header {STAMP} must carry the stamp.")
    copy = request.query_params.get("copy") == "1"
    await bury_here(node, epoch, image_id, int(stamp), copy=copy)
    return JSONResponse({"stamp": int(stamp)})


async def purge(request: Request) -> Response:
    """Throw away the renditions of an id."""
    node, _ = await guard_epoch(request)
    await to_thread.run_sync(node.cache.purge, image_id_of(request))
    return JSONResponse({})


ROUTES = [
    Route("/digests", digests),
    Route("/inventory/{index}", listing),
    Route("/batch", batch, methods=["POST"]),
    Route("/marks", marks, methods=["POST"]),
    Route("/tombstones/{id}", put_tombstone, methods=["PUT"]),
    Route("/purge/{id}", purge, methods=["POST"]),
]
