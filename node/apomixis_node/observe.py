"""Around every request: its id, its metrics, its one line in the log."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apomixis_node.metrics import Metrics

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
log = structlog.get_logger()


class Observe:
    """An ASGI wrapper. A sane X-Request-ID is taken over, else one is made; it is answered too."""

    def __init__(self, app: ASGIApp, listener: str, metrics: Metrics) -> None:
        self._app, self._listener, self._requests = app, listener, metrics.requests
        self._seconds = metrics.request_seconds.labels(listener)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)
        status = 500
        began = time.monotonic()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        # Bound for good: every request is a task with a context of its own.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, observed)
        finally:
            self._note(scope, status, time.monotonic() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(self._listener, method, status).inc()
        self._seconds.observe(seconds)
        if scope["path"] not in QUIET:
            log.info(
                "request",
                listener=self._listener,
                method=method,
                path=scope["path"][:300],
                status=status,
                seconds=round(seconds, 4),
            )
