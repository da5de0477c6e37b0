"""The two ASGI apps of a node, public and internal, put together; nothing else."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apomixis_node import info, internal
from apomixis_node.delete import delete
from apomixis_node.errors import ApiError
from apomixis_node.images import image
from apomixis_node.openapi import openapi
from apomixis_node.peers import MEMBER
from apomixis_node.state import Node
from apomixis_node.upload import upload
from apomixis_node.web import assets, live
from apomixis_node.web.pages import error_page, status_page, upload_page
from apomixis_node.web.site import Site

HTTP_ERRORS = {404: "not_found", 405: "method_not_allowed"}


async def _home(request: Request) -> Response:
    return upload_page(Site.of(request.app.state.node.settings))


async def _status(request: Request) -> Response:
    return status_page(await info.cluster_status(request.app.state.node))


async def _error(request: Request, wrong: Exception) -> Response:
    error = wrong if isinstance(wrong, ApiError) else _translate(wrong)
    if "text/html" in request.headers.get("accept", ""):
        response: Response = error_page(error)
    else:
        response = JSONResponse(error.body(), error.status, {"Vary": "Accept"})
    response.headers.update(error.headers())
    if isinstance(wrong, HTTPException) and wrong.headers:
        response.headers.update(wrong.headers)
    if error.code == "range_not_satisfiable":
        response.headers["Content-Range"] = f"bytes */{(error.extra or {}).get('length')}"
    return response


def _translate(wrong: Exception) -> ApiError:
    if isinstance(wrong, HTTPException):
        code = HTTP_ERRORS.get(wrong.status_code, "bad_request")
        return ApiError(
            code, f"{wrong.detail}. An image is at /image/{{id}}/{{size}}/{{name}}.jpg."
        )
    return ApiError("internal_error", "The node made a mistake; its log says more.")


HANDLERS = {ApiError: _error, HTTPException: _error, Exception: _error}
# Looked at from the top, for every request: what is asked for most comes first.
PUBLIC = [
    Route("/image/{id}", delete, methods=["DELETE"]),
    Route("/image/{rest:path}", image),
    Route("/", _home, methods=["GET"]),
    Route("/", upload, methods=["POST"]),
    Route("/info/{id}", info.info),
    Route("/api/status", info.status),
    Route("/openapi.json", openapi),
    Route("/status", _status),
    Route("/status/events", live.events),
    Route("/healthz", internal.healthz),
    Route("/readyz", internal.readyz),
    Route(assets.ROUTE, assets.serve),
]


def public_app(node: Node) -> Starlette:
    """What users see, through nginx and the Ingress."""
    return _app(node, PUBLIC)


def internal_app(node: Node) -> ASGIApp:
    """What peers, the operator and Prometheus see; every answer names the member that gave it."""
    return _Named(_app(node, internal.ROUTES), node.key)


def _app(node: Node, routes: list[Route]) -> Starlette:
    app = Starlette(routes=routes, exception_handlers=HANDLERS)
    app.router.redirect_slashes = False
    app.state.node = node
    return app


class _Named:
    """Adds the member's key to every answer, so that another server on its address is noticed."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[MEMBER] = self._key
            await send(message)

        await self._app(scope, receive, named)
