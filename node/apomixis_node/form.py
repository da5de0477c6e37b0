"""Bodies of an upload: raw or multipart, streamed, bounded, hashed while they are written.

Nothing is held in memory but a chunk and the small fields; nothing is trusted but the bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

from apomixis_node.errors import ApiError
from apomixis_node.incoming import Incoming
from apomixis_node.settings import Settings

CHUNK = 256 * 1024
FIELD_BYTES = 16 * 1024
HEADER_BYTES = 8 * 1024
PARTS = 32
# What multipart may add to the bytes of the picture itself.
OVERHEAD = 256 * 1024
START_S = 10.0
DRAIN_S = 2.0
DRAIN_BYTES = 64 * 1024 * 1024


@dataclass
class Form:
    """What an upload brought beside the picture: the file's name, and small text fields."""

    filename: str | None = None
    has_image: bool = False
    fields: dict[str, str] = field(default_factory=dict)


def too_large(settings: Settings) -> ApiError:
    """413, with the limit."""
    return ApiError(
        "too_large", f"A picture may have {settings.max_bytes} bytes here; send a smaller one."
    )


async def body(request: Request, settings: Settings) -> AsyncIterator[bytes]:
    """The body's chunks. Raises ApiError `too_slow` (408) below the least average rate."""
    began = time.monotonic()
    received = 0
    stream = request.stream().__aiter__()
    while True:
        rate = settings.upload_min_rate
        allowed = received / rate if rate else float("inf")
        left = began + START_S + allowed - time.monotonic()
        try:
            chunk = await asyncio.wait_for(anext(stream), min(left, 3600.0))
        except StopAsyncIteration:
            return
        except TimeoutError:
            detail = f"The upload is slower than {rate} bytes per second; use a better line."
            raise ApiError("too_slow", detail) from None
        except ClientDisconnect:
            raise ApiError("bad_request", "The connection ended before the upload did.") from None
        received += len(chunk)
        if chunk:
            yield chunk


async def drain(request: Request) -> None:
    """Read on for a moment after an early refusal, so that the client gets to see the answer."""
    if request.headers.get("expect"):
        return
    seen = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            async for chunk in request.stream():
                seen += len(chunk)
                if seen > DRAIN_BYTES:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):
        return


async def read_raw(request: Request, incoming: Incoming, settings: Settings) -> Form:
    """The whole body is the picture."""
    async for chunk in body(request, settings):
        if incoming.length + len(chunk) > settings.max_bytes:
            raise too_large(settings)
        await to_thread.run_sync(incoming.write, chunk)
    return Form(has_image=True)


async def read_multipart(request: Request, incoming: Incoming, settings: Settings) -> Form:
    """The field `image` is the picture; other fields are small texts."""
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if not boundary:
        raise ApiError("bad_form", "multipart/form-data needs a boundary in its Content-Type.")
    reader = _Reader(settings)
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        seen = 0
        async for chunk in body(request, settings):
            seen += len(chunk)
            if seen > settings.max_bytes + OVERHEAD:
                raise too_large(settings)
            parser.write(chunk)
            if data := reader.take():
                if incoming.length + len(data) > settings.max_bytes:
                    raise too_large(settings)
                await to_thread.run_sync(incoming.write, data)
        parser.finalize()
    except FormParserError as wrong:
        raise ApiError("bad_form", f"The multipart body is malformed: {wrong}") from None
    if not reader.ended:
        raise ApiError(
            "bad_form", "The multipart body ends before its last boundary; send it whole."
        )
    if not reader.form.has_image:
        raise ApiError("bad_form", "Send the picture as the field `image`.")
    return reader.form


class _Reader:
    """Turns the parser's callbacks into a Form and the bytes of the picture."""

    def __init__(self, settings: Settings) -> None:
        self.form = Form()
        self.ended = False
        self._settings = settings
        self._parts = 0
        self._header = (b"", b"")
        self._header_bytes = 0
        self._disposition: dict[bytes, bytes] = {}
        self._name = ""
        self._is_image = False
        self._text = b""
        self._data: list[bytes] = []

    def take(self) -> bytes:
        """The picture's bytes that came since the last call."""
        data, self._data = b"".join(self._data), []
        return data

    def callbacks(self) -> MultipartCallbacks:
        """What python-multipart calls."""
        return {
            "on_part_begin": self._part_begin,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS:
            raise ApiError("bad_form", f"The form has more than {PARTS} parts.")
        self._header, self._header_bytes = (b"", b""), 0
        self._disposition, self._text = {}, b""
        self._name, self._is_image = "", False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._grow_header(data[start:end], b"")

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._grow_header(b"", data[start:end])

    def _grow_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES:
            raise ApiError("bad_form", f"A part's headers have more than {HEADER_BYTES} bytes.")
        self._header = (self._header[0] + name, self._header[1] + value)

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = parse_options_header(value)[1]
        self._header = (b"", b"")

    def _headers_finished(self) -> None:
        self._name = self._disposition.get(b"name", b"").decode("utf-8", "replace")
        self._is_image = self._name == "image"
        if self._is_image and self.form.has_image:
            raise ApiError(
                "bad_form", "Send one picture a request: the form has two `image` fields."
            )
        if self._is_image:
            self.form.has_image = True
            self.form.filename = self._disposition.get(b"filename", b"").decode("utf-8", "replace")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_image:
            self._data.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > FIELD_BYTES:
            raise ApiError("bad_form", f"The field {self._name!r} is too long.")

    def _part_end(self) -> None:
        if not self._is_image:
            self.form.fields[self._name] = self._text.decode("utf-8", "replace")

    def _end(self) -> None:
        self.ended = True
