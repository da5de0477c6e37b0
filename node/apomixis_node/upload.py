"""`POST /`: take a picture, see that it is one, send it to its owners, answer when it is safe."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from apomixis_node import renditions
from apomixis_node.about import FILE, About
from apomixis_node.access import bearer, check_allowed
from apomixis_node.decode import Limits
from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.form import Form, drain, read_multipart, read_raw, too_large
from apomixis_node.incoming import Incoming
from apomixis_node.levels import has_levels
from apomixis_node.paths import ImagePath, file_name, read_size
from apomixis_node.prepare import prepare
from apomixis_node.render import choose
from apomixis_node.replicate import as_errors, disk_error, replicate
from apomixis_node.rounds import Outcome
from apomixis_node.sizes import Size
from apomixis_node.state import Node
from apomixis_node.web.pages import image_page
from apomixis_node.web.site import Site
from apomixis_node.workers import WorkerFailed
from apomixis_ring.model import is_image_id

HINTS = 16
MULTIPART = "multipart/form-data"


async def upload(request: Request) -> Response:
    """The public route: 201 for a new picture, 200 for one that was there; else an ApiError."""
    node: Node = request.app.state.node
    node.rings.ring  # noqa: B018  without a ring nothing can be promised: 503 before a byte is read
    if node.uploads_under_way >= node.settings.max_uploads:
        raise ApiError("busy", "Too many uploads at once; try again in a moment.")
    node.uploads_under_way += 1
    try:
        answer = await _take(node, request)
    except ApiError as error:
        node.metrics.uploads.labels(result=error.code).inc()
        await drain(request)
        raise
    finally:
        node.uploads_under_way -= 1
    return answer


async def _take(node: Node, request: Request) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    raw = _check_before_reading(node, request, kind)
    with as_errors(node):
        incoming = node.store.new_file()
    handed_over = False
    try:
        read = read_raw if raw else read_multipart
        form = await read(request, incoming, node.settings)
        if not bearer(request.headers.get("authorization")):
            node.upload_keys.check(form.fields.get("key") or form.fields.get("upload_key"))
        hints = _hints(
            node, form.fields.get("size_hints") or request.query_params.get("size_hints")
        )
        incoming.finish()
        about = await _examine(node, incoming)
        handed_over = True
        outcome = await replicate(node, incoming, about.extension, incoming.close)
    except DiskFailed as failed:
        raise disk_error(node, failed) from None
    finally:
        if not handed_over:
            incoming.close()
    return await _answer(node, request, form, incoming, about, outcome, hints)


def _check_before_reading(node: Node, request: Request, kind: str) -> bool:
    """Refuse what can be refused from the head alone; whether the body is the raw picture."""
    raw = kind.startswith("image/")
    if not raw and kind != MULTIPART:
        detail = "Send multipart/form-data with the field `image`, or the bytes as image/*."
        raise ApiError("unsupported_format" if kind else "bad_form", detail)
    key = bearer(request.headers.get("authorization"))
    if key or raw:
        node.upload_keys.check(key)
    length = request.headers.get("content-length", "")
    if raw and length.isdigit() and int(length) > node.settings.max_bytes:
        raise too_large(node.settings)
    return raw


def _hints(node: Node, text: str | None) -> tuple[Size, ...]:
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    if len(words) > HINTS:
        raise ApiError("bad_size", f"At most {HINTS} size hints a picture.")
    settings = node.settings
    sizes = [read_size(w, max_side=settings.max_side, qualities=settings.qualities) for w in words]
    for size in sizes:
        check_allowed(str(size), settings.sizes)
    return tuple(dict.fromkeys(size for size in sizes if size.kind != "full"))


async def _examine(node: Node, incoming: Incoming) -> About:
    if not incoming.length:
        raise ApiError("broken_image", "The picture has no bytes; send the file itself.")
    settings = node.settings
    limits = Limits(max_pixels=settings.max_pixels, formats=settings.formats)
    try:
        return await renditions.examine_in_worker(node, incoming.path, limits)
    except WorkerFailed as failed:
        raise ApiError("broken_image", f"The picture can't be decoded here: {failed}") from failed


async def _answer(
    node: Node,
    request: Request,
    form: Form,
    incoming: Incoming,
    about: About,
    outcome: Outcome,
    hints: tuple[Size, ...],
) -> Response:
    image_id = incoming.digest
    if not is_image_id(image_id):
        raise ApiError("internal_error", "The picture's hash is not one.")
    await renditions.keep(node, image_id, FILE, about.dumps())
    if has_levels(about):
        node.tasks.start(prepare(node, image_id, about), "base levels")
    if hints:
        node.tasks.start(_render_ahead(node, image_id, about, hints), "size hints")
    node.metrics.uploads.labels(result="created" if outcome.created else "present").inc()
    node.metrics.upload_bytes.inc(incoming.length)
    body = {
        "hash": image_id,
        "extension": about.extension,
        "full_url": _full_url(node, request, form, image_id, about),
        "satisfied": outcome.satisfied,
        "nodes": list(outcome.nodes),
        "format": about.format.pillow.lower(),
        "width": about.width,
        "height": about.height,
        "length": incoming.length,
        "color": about.color,
        "placeholder": about.placeholder,
    }
    status = 201 if outcome.created else 200
    headers = {"Cache-Control": "no-store"}
    if "text/html" in request.headers.get("accept", ""):
        return image_page(body, str(request.base_url), Site.of(node.settings), status)
    return JSONResponse(body, status, headers | {"Location": str(body["full_url"])})


def _full_url(node: Node, request: Request, form: Form, image_id: str, about: About) -> str:
    signature = node.signing.sign(image_id, "full", about.extension)
    name = file_name(form.filename, "image")
    path = ImagePath(image_id, Size("full"), about.extension, name, signature)
    return str(request.base_url).rstrip("/") + str(path)


async def _render_ahead(node: Node, image_id: str, about: About, hints: tuple[Size, ...]) -> None:
    form = choose(None, animated=about.animated, alpha=about.alpha)
    for size in hints:
        await renditions.rendition(node, image_id, size, form)
