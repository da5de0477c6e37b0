"""The node-to-node HTTP surface: each route answers from this node alone and never asks a third.

Every call but health and metrics carries the cluster's secret; calls about images carry the
caller's epoch and the incarnation that is meant.
"""

from __future__ import annotations

import re

from anyio import to_thread
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from apomixis_node import about as about_module
from apomixis_node import gossip, holdings, info, moving, originals, renditions
from apomixis_node.errors import ApiError
from apomixis_node.form import drain
from apomixis_node.formats import BY_EXTENSION
from apomixis_node.guard import guard, guard_epoch, image_id_of, number, read_text
from apomixis_node.paths import read_size
from apomixis_node.peers import (
    EPOCH,
    EXTENSION,
    STAMP,
)
from apomixis_node.prepare import prepare_here
from apomixis_node.replicate import as_errors, put_here
from apomixis_node.respond import byte_range
from apomixis_node.state import Node
from apomixis_ring.model import RingError
from apomixis_ring.reading import loads

RING_BYTES = 4 * 1024 * 1024
ABOUT_BYTES = 16 * 1024
_NUMBER = re.compile(r"[0-9]{1,15}")


async def identity(request: Request) -> Response:
    """Who this is: what the operator makes a ring of."""
    node = await guard(request)
    return JSONResponse(
        {
            "cluster": node.identity.cluster,
            "name": node.identity.name,
            "incarnation": node.identity.incarnation,
            "zone": node.settings.zone,
            "weight": node.settings.weight,
            "url": node.settings.advertised_url,
        }
    )


async def get_ring(request: Request) -> Response:
    """The adopted ring as JSON."""
    node = await guard(request)
    return JSONResponse(node.rings.ring.to_json())


async def put_ring(request: Request) -> Response:
    """Adopt a ring; the answer is the acknowledgement of its epoch."""
    node = await guard(request)
    text = await read_text(request, RING_BYTES)
    try:
        ring = loads(text)
    except RingError as wrong:
        raise ApiError("bad_request", f"This is no ring: {wrong}") from None
    if ring.cluster != node.identity.cluster:
        raise ApiError("bad_request", f"This ring is of the cluster {ring.cluster}.")
    await node.rings.adopt(ring)
    return JSONResponse({"epoch": node.rings.epoch})


async def status(request: Request) -> Response:
    """This node's own word on itself. A caller with an older ring gets the newer one (409)."""
    node = await guard(request)
    epoch = number(request, EPOCH)
    if epoch is not None and epoch < node.rings.epoch:
        node.rings.require(epoch)
    return JSONResponse(await info.own_status(node))


async def put_original(request: Request) -> Response:
    """Keep an original, hashed on arrival and fsynced: 201 if it was not there, else 200."""
    try:
        return await _put_original(request, copy=False)
    except ApiError:
        await drain(request)
        raise


async def put_copy(request: Request) -> Response:
    """A copy handed over by one that does not own it, with the stamp that it has there."""
    try:
        return await _put_original(request, copy=True)
    except ApiError:
        await drain(request)
        raise


async def _put_original(request: Request, *, copy: bool) -> Response:
    node, epoch = await guard_epoch(request)
    image_id = image_id_of(request)
    extension, stamp = request.headers.get(EXTENSION, ""), number(request, STAMP)
    if extension not in BY_EXTENSION or stamp is None:
        raise ApiError("bad_request", f"The headers {EXTENSION} and {STAMP} must say what it is.")
    if node.key not in {m.key for m in node.rings.ring.writers(image_id)}:
        raise ApiError("wrong_member", f"{node.identity.name} is no owner of this image.")
    with as_errors(node, image_id), node.store.new_file() as incoming:
        async for chunk in request.stream():
            await to_thread.run_sync(incoming.write, chunk)
        incoming.finish()
        if incoming.digest != image_id:
            raise ApiError("hash_mismatch", "The bytes are not those of the id; send it again.")
        created = await put_here(node, epoch, incoming, extension, stamp, copy=copy)
    return JSONResponse({"stamp": stamp}, 201 if created else 200)


async def get_held(request: Request) -> Response:
    """What this node holds of an image. Not a HEAD of the original: its "no" would have no body."""
    node, _ = await guard_epoch(request)
    found = await originals.here(node, image_id_of(request))
    return JSONResponse(
        {"extension": found.extension, "length": found.length, "stamp": found.stamp},
        headers={STAMP: str(found.stamp)},
    )


async def get_original(request: Request) -> Response:
    """This node's original, whole or one range of it."""
    node, _ = await guard_epoch(request)
    image_id = image_id_of(request)
    original = await originals.here(node, image_id)
    held = originals.Held(original.extension, original.length, original.stamp)
    part = byte_range(request.headers, held.validators)
    start, end = part or (0, held.length)
    headers = {
        "Content-Length": str(end - start),
        "Content-Type": BY_EXTENSION[held.extension].mime,
        EXTENSION: held.extension,
        STAMP: str(held.stamp),
    }
    stream = originals.stream_here(node, image_id, start, end)
    return StreamingResponse(stream, 206 if part else 200, headers)


async def get_about(request: Request) -> Response:
    """What this node knows of a picture that it holds."""
    node, _ = await guard_epoch(request)
    image_id = image_id_of(request)
    found = await originals.here(node, image_id)
    about = await renditions.about_here(node, image_id)
    headers = {STAMP: str(found.stamp)}
    return Response(about.dumps(), headers=headers, media_type="application/json")


async def post_levels(request: Request) -> Response:
    """Make the base levels of a picture, which the body describes, before they are needed."""
    node, _ = await guard_epoch(request)
    image_id = image_id_of(request)
    about = about_module.loads((await read_text(request, ABOUT_BYTES)).encode())
    if about is None:
        raise ApiError("bad_request", "The body must describe the picture.")
    node.tasks.start(prepare_here(node, image_id, about), "base levels")
    return JSONResponse({}, 202)


async def get_rendition(request: Request) -> Response:
    """A rendition, made here if need be. `/renditions/{id}/{size}.{ext}`"""
    node, _ = await guard_epoch(request)
    text, _, extension = request.path_params["name"].rpartition(".")
    form = BY_EXTENSION.get(extension)
    if form is None or not form.writable:
        raise ApiError("bad_path", "A rendition is asked for as {size}.{ext}.")
    settings = node.settings
    size = read_size(text, max_side=settings.max_side, qualities=settings.qualities)
    data = await renditions.rendition_here(node, image_id_of(request), size, form)
    return Response(data, media_type=form.mime)


async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    node: Node = request.app.state.node
    return Response(generate_latest(node.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def healthz(request: Request) -> Response:
    """Alive: the event loop answers."""
    del request
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """Has a ring, can serve, and the others know where it is."""
    node: Node = request.app.state.node
    if not node.ready:
        raise ApiError("not_ready", "This node has no ring yet, or is stopping.")
    if not gossip.is_announced(node):
        raise ApiError("not_ready", "Too few peers have called this node back since its start.")
    return PlainTextResponse("ok\n")


ROUTES = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
    Route("/identity", identity),
    Route("/ring", get_ring, methods=["GET"]),
    Route("/ring", put_ring, methods=["PUT"]),
    Route("/status", status),
    Route("/held/{id}", get_held),
    Route("/originals/{id}", get_original, methods=["GET"]),
    Route("/originals/{id}", put_original, methods=["PUT"]),
    Route("/about/{id}", get_about),
    Route("/copies/{id}", put_copy, methods=["PUT"]),
    Route("/levels/{id}", post_levels, methods=["POST"]),
    Route("/renditions/{id}/{name}", get_rendition),
    *holdings.ROUTES,
    *moving.ROUTES,
    *gossip.ROUTES,
]
