"""`GET /image/{id}/{size}/{name}.{ext}`: any size of any picture, from any node."""

from __future__ import annotations

from collections.abc import AsyncIterator

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from apomixis_node import front, originals, renditions
from apomixis_node.accept import named
from apomixis_node.access import check_allowed
from apomixis_node.errors import ApiError
from apomixis_node.formats import AUTO, BY_EXTENSION, Format
from apomixis_node.paths import ImagePath, read_path
from apomixis_node.render import choose
from apomixis_node.respond import Validators, byte_range, condition, image_headers
from apomixis_node.state import Node

DAY_S = 86400
REDIRECT, ORIGINALS = "X-Accel-Redirect", "X-Accel-Originals"
CHANGED = ApiError("precondition_failed", "The picture is not the one that your request names.")
# Whether the stand-in or words are sent depends on Accept, whatever the URL's extension is.
STAND_IN_HEADERS = {
    "Cache-Control": "no-store",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
}


async def image(request: Request) -> Response:
    """The public route. Errors are ApiErrors; a fallback picture may stand in for 404 and 410."""
    node: Node = request.app.state.node
    asked = request.scope["raw_path"].partition(b"?")[0]
    settings = node.settings
    path = read_path(asked, max_side=settings.max_side, qualities=settings.qualities)
    size = str(path.size)
    check_allowed(size, settings.sizes)
    keys = node.signing.key_set if node.signing.required else None
    node.signing.check(path.signature, path.image_id, size, path.extension)
    if str(path).encode("latin-1") != asked:
        return RedirectResponse(str(path), 301, {"Cache-Control": f"public, max-age={DAY_S}"})
    try:
        return await _serve(node, request, path, keys)
    except ApiError as error:
        if fallback := await _fallback(node, request, path, error):
            return fallback
        raise


async def _serve(node: Node, request: Request, path: ImagePath, keys: str | None) -> Response:
    varies = path.extension == AUTO
    if path.size.kind == "full":
        held = await originals.find(node, path.image_id)
        if path.extension == held.extension:
            return _original(node, request, path, held)
    form = await _format(node, request, path)
    data = await renditions.rendition(node, path.image_id, path.size, form)
    if node.settings.socket is not None and (varies or keys):
        await to_thread.run_sync(_show, node, path, form, _accept(request), keys)
    validators = Validators(len(data), node.cache.mtime(path.image_id))
    headers = image_headers(
        validators, form.mime, _disposition(path, form), varies=varies, ranges=False
    )
    if (status := condition(request.headers, validators)) != 200:
        return _without_body(status, headers)
    return Response(data, headers=headers)


async def _format(node: Node, request: Request, path: ImagePath) -> Format:
    if path.extension != AUTO:
        form = BY_EXTENSION[path.extension]
        if not form.writable:
            detail = f"Only a `full` original can be had as .{form.extension}; ask for .jpg."
            raise ApiError("unsupported_format", detail)
        return form
    about = await renditions.about(node, path.image_id)
    return choose(_accept(request), animated=about.animated, alpha=about.alpha)


def _accept(request: Request) -> str:
    return ", ".join(request.headers.getlist("accept"))


def _show(node: Node, path: ImagePath, form: Format, accept: str, keys: str | None) -> None:
    """Give the rendition the name under which nginx finds it the next time, if it has one."""
    image_id, found_as = path.image_id, front.hit(path, form.extension, named(accept))
    if keys is None and path.signature is None:
        other = node.cache.folder(image_id) / found_as
    elif keys is not None and path.signature is not None and path.size.kind != "full":
        other = node.front.signed(keys, image_id, found_as)
    else:
        return
    if node.cache.link(image_id, f"{path.size}.{form.extension}", other):
        renditions.purge_if_lost(node, image_id)


def _original(node: Node, request: Request, path: ImagePath, held: originals.Held) -> Response:
    validators = held.validators
    mime = BY_EXTENSION[held.extension].mime
    headers = image_headers(validators, mime, path.disposition, varies=False, ranges=True)
    if (status := condition(request.headers, validators)) != 200:
        return _without_body(status, headers)
    part = byte_range(request.headers, validators)
    start, end = part or (0, held.length)
    headers["Content-Length"] = str(end - start)
    if part:
        del headers["Accept-Ranges"]  # as nginx does
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{held.length}"
    node.metrics.renditions.labels("original").inc()
    if held.member is None and (prefix := _by_nginx(node, request)):
        headers[REDIRECT] = f"{prefix}{path.image_id[:3]}/{path.image_id}.{held.extension}"
        headers |= {"Content-Length": "0"}
        headers.pop("Accept-Ranges", None)  # nginx says so itself
        return Response(None, 200, headers)
    body = (
        _nothing()
        if request.method == "HEAD"
        else originals.stream(node, path.image_id, held, start, end)
    )
    return StreamingResponse(body, 206 if part else 200, headers)


def _by_nginx(node: Node, request: Request) -> str | None:
    """Where nginx, through which this came, finds originals; it sends them better than we do."""
    return request.headers.get(ORIGINALS) if node.settings.socket is not None else None


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


def _disposition(path: ImagePath, form: Format) -> str:
    return f"inline; filename*=UTF-8''{path.name}.{form.extension}"


def _without_body(status: int, headers: dict[str, str]) -> Response:
    if status == 412:
        raise ApiError(CHANGED.code, CHANGED.detail)
    left_out = ("Content-Type", "Accept-Ranges")  # as nginx does
    not_modified = {k: v for k, v in headers.items() if k not in left_out}
    return Response(status_code=status, headers=not_modified)


async def _fallback(
    node: Node, request: Request, path: ImagePath, error: ApiError
) -> Response | None:
    """The site's stand-in picture, at the size asked for, under the status that is true."""
    stand_in = node.settings.fallback_image
    accept = request.headers.get("accept", "")
    if not stand_in or error.status not in (404, 410) or path.size.kind == "full":
        return None
    if "text/html" in accept or "json" in accept:
        return None
    try:
        form = await _format(node, request, ImagePath(stand_in, path.size, path.extension, "x"))
        data = await renditions.rendition(node, stand_in, path.size, form)
    except ApiError:
        return None
    return Response(data, error.status, STAND_IN_HEADERS, form.mime)
