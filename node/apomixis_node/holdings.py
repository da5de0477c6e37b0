"""What this node holds, for its peers: digests, inventories, many files at once, tombstones.

Routes of the internal listener. Lists are given behind the barrier of the caller's epoch, so that
what an older ring allowed is in them or can't happen any more.
"""

from __future__ import annotations

from collections.abc import Iterator

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
from apomixis_node.peers import STAMP
from apomixis_node.replicate import as_errors
from apomixis_node.state import Node
from apomixis_ring.model import is_image_id

IDS_BYTES = 1024 * 1024
INDEXES_BYTES = 1024  # some 200 partitions
BLOCK_BYTES = 1024 * 1024


async def digests(request: Request) -> Response:
    """The digests of all partitions that are not empty here, by partition."""
    node, epoch = await guard_epoch(request)
    await node.rings.barrier(epoch)
    with as_errors(node):
        return JSONResponse(await to_thread.run_sync(node.digests.all))


async def inventories(request: Request) -> Response:
    """Everything of these partitions (one a line), by partition and id.

    Of each id: [stamp, deleted, extension, length in bytes].
    """
    node, epoch = await guard_epoch(request)
    await node.rings.barrier(epoch)
    indexes = [_index(text, node) for text in (await read_text(request, INDEXES_BYTES)).split()]
    with as_errors(node):
        return JSONResponse(await to_thread.run_sync(_list, node, indexes))


def _list(node: Node, indexes: list[int]) -> dict[int, dict[str, list[int | bool | str]]]:
    return {
        index: {
            i: [e.mark.stamp, e.mark.deleted, e.extension, e.length]
            for i, e in inventory.listing(node.store, index).items()
        }
        for index in indexes
    }


def _index(text: str, node: Node) -> int:
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
    frames = _blocks(_frames(node, ids))
    return StreamingResponse(frames, media_type="application/octet-stream")


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Small pieces put together: each block costs a thread's hop."""
    block: list[bytes] = []
    size = 0
    for piece in pieces:
        block.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)


def _frames(node: Node, ids: list[str]) -> Iterator[bytes]:
    for image_id in ids:
        found = node.store.find(image_id)
        if not isinstance(found, Original):
            continue
        try:
            file = found.path.open("rb", buffering=0)
        except FileNotFoundError:
            continue
        with file:
            yield Head(image_id, found.extension, found.length, found.stamp).dumps()
            left = found.length
            while left:
                piece = file.read(min(left, BLOCK_BYTES))
                if not piece:
                    raise OSError("the file is shorter than it was")
                left -= len(piece)
                yield piece


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
    Route("/inventories", inventories, methods=["POST"]),
    Route("/batch", batch, methods=["POST"]),
    Route("/marks", marks, methods=["POST"]),
    Route("/tombstones/{id}", put_tombstone, methods=["PUT"]),
    Route("/purge/{id}", purge, methods=["POST"]),
]
