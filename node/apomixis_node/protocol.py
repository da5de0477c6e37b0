"""httptools under uvicorn, hardened: a budget for the head, a deadline for it, exactly one Host."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 10.0


class HardenedProtocol(HttpToolsProtocol):
    """Refuses slow and fat heads. Bodies are the app's business."""

    head_bytes = HEAD_BYTES
    head_seconds = HEAD_SECONDS

    def connection_made(self, transport: Any) -> None:
        """Begin the deadline of the first head."""
        super().connection_made(transport)
        self._head_seen = 0
        self._in_head = True
        self._hosts = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._begin_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head; a body is not counted."""
        if self._in_head:
            if self._head_timer is None:
                self._begin_deadline()
            self._head_seen += len(data)
            end = data.find(b"\r\n\r\n")
            # The rest of a chunk may be body; a head that never ends may not hide behind it.
            if self._head_seen > self.head_bytes and (end < 0 or end > self.head_bytes):
                self._refuse(b"431 Request Header Fields Too Large")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A new request's head begins."""
        self._in_head, self._hosts = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the Host headers."""
        self._hosts += name.lower() == b"host"
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: one Host, or no request."""
        self._in_head, self._head_seen = False, 0
        self._end_deadline()
        if self._hosts != 1:
            self._refuse(b"400 Bad Request")
            return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Between requests the keep-alive timeout holds, then the next head's deadline."""
        if self.cycle is not None:
            super().on_message_complete()
        self._in_head, self._head_seen = True, 0

    def _begin_deadline(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _end_deadline(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._in_head:
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
            self.transport.close()
