"""httptools under uvicorn, hardened: a budget for heads, deadlines for silence, exactly one Host.

What a client may hold without giving anything: a connection for `head_seconds` without a whole
head, as long after an answer whose request it never ended, `write_seconds` without reading what
it asked for. Slow bodies are the app's business (`form.body`).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from apomixis_node.errors import ApiError

HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 10.0
WRITE_SECONDS = 60.0
PIPELINED = 16
REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
TOO_LARGE = ApiError("head_too_large", "A request's head may have 32 KiB here; send less.")
TOO_SLOW = ApiError("too_slow", "The head of the request took too long; send it at once.")
NO_HOST = ApiError("bad_request", "A request has exactly one Host header; send one.")
TOO_MANY = ApiError("bad_request", f"More than {PIPELINED} requests ahead of their answers.")


class HardenedProtocol(HttpToolsProtocol):
    """Refuses slow and fat heads, and clients that neither send nor read."""

    head_bytes = HEAD_BYTES
    head_seconds = HEAD_SECONDS
    write_seconds = WRITE_SECONDS

    def connection_made(self, transport: Any) -> None:
        """Begin the deadline of the first head."""
        super().connection_made(transport)
        self._in_head = True
        self._refused = False
        self._hosts = 0
        self._idle_bytes = 0
        self._moved = False
        self._silence: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._begin_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._end_deadline()
        self._end_unread()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to no body: heads, but trailers and chunk extensions as well."""
        if self._refused:
            return
        if self._silence is None and self._in_head:
            self._begin_deadline()
        self._moved = False
        super().data_received(data)
        self._idle_bytes = 0 if self._moved else self._idle_bytes + len(data)
        if self._idle_bytes > self.head_bytes:
            self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        """A new request's head begins."""
        self._in_head, self._hosts = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the Host headers. A trailer of a chunked body is no header."""
        if self._in_head:
            self._hosts += name.lower() == b"host"
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: small, with one Host, and not too far ahead of the answers."""
        self._moved = True
        self._end_deadline()
        if self._refused:
            return
        if self._head_length() > self.head_bytes:
            self._refuse(TOO_LARGE)
        elif self._hosts != 1:
            self._refuse(NO_HOST)
        elif len(self.pipeline) >= PIPELINED:
            self._refuse(TOO_MANY)
        else:
            super().on_headers_complete()
            self._in_head = False

    def on_body(self, body: bytes) -> None:
        """The app's, unless it was refused."""
        self._moved = True
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Between requests the keep-alive timeout holds, then the next head's deadline."""
        self._in_head, self._moved = True, True
        self._end_deadline()
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer before the end of its request: what is left may come, but not for ever."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_reading()
        elif not self._in_head and not self.pipeline and self._silence is None:
            self._begin_deadline()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets an answer like every other error."""
        self._refuse(ApiError("bad_request", f"{msg} Speak HTTP/1.1 here."))

    def pause_writing(self) -> None:
        """The client doesn't read: begin to lose patience."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._end_unread()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked for."""
        self._close()

    def _head_length(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _begin_deadline(self) -> None:
        self._silence = self.loop.call_later(self.head_seconds, self._too_slow)

    def _end_deadline(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
            self._watch_reading()

    def _watch_reading(self) -> None:
        """Give up a client that takes nothing of what waits for it in `write_seconds`."""
        self._end_unread()
        waits = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(self.write_seconds, self._look_at_reading, waits)

    def _look_at_reading(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() < waited:
            self._watch_reading()
        else:
            self._unread = None
            self.transport.abort()

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _too_slow(self) -> None:
        self._silence = None
        if self._answering():
            self._begin_deadline()  # half a next request is judged when its turn has come
        elif self._in_head:
            self._refuse(TOO_SLOW)
        else:
            self._close()

    def _answering(self) -> RequestResponseCycle | None:
        """The last request that was taken, while its answer isn't whole."""
        cycle: RequestResponseCycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    def _refuse(self, error: ApiError) -> None:
        """Answer and close: in its turn, and never in the middle of another answer."""
        self._refused = True
        self._end_deadline()
        cycle = self._answering()
        if cycle is not None and self._in_head:
            cycle.keep_alive = False  # earlier requests are whole: they get their answers
            return
        if cycle is None or not (cycle.response_started or self.pipeline):
            self._say(error)
        self._close()

    def _say(self, error: ApiError) -> None:
        if not self.transport.is_closing():
            body = json.dumps(error.body()).encode()
            head = (
                f"HTTP/1.1 {error.status} {REASONS[error.status]}\r\n"
                "Content-Type: application/json\r\nCache-Control: no-store\r\n"
                f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
