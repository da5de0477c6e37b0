"""Uploads by the command: streamed from the file, sent again where that helps, to the next node.

Sending the same bytes twice is safe (the id is their hash), so every silence is tried again; a
refusal that would be the same the next time is not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from apomixis_node.formats import BY_EXTENSION, CANONICAL_EXTENSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

CHUNK = 256 * 1024
ATTEMPTS = 6
LONGEST_WAIT_S = 20.0
WORTH_ANOTHER_TRY = frozenset({429, 502, 503, 504})
_spread = wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_S)


class Refused(Exception):  # noqa: N818  what a node, or the line to it, said
    """An upload that was not stored; `code` is the node's error code, or `unreachable`."""

    def __init__(self, code: str, detail: str, status: int = 0, after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.after_s = after_s


class Again(Refused):
    """A refusal that may be another answer the next time."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An acknowledged upload: whether it was `new`, and the answer's JSON."""

    new: bool
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends pictures to the nodes at `urls`, the next one at each attempt."""

    client: httpx.AsyncClient
    urls: tuple[str, ...]
    key: str | None = None
    size_hints: str = ""
    attempts: int = ATTEMPTS

    async def send_file(
        self, path: Path, first: int = 0, progress: Callable[[int], None] | None = None
    ) -> Stored:
        """Upload a file. `first` picks the node that is asked first.

        `progress` is told the bytes sent since the last call; below 0 when an attempt begins again.
        Raises Refused; OSError when the file can't be read.
        """
        length = (await asyncio.to_thread(path.stat)).st_size
        count = _Counter(progress)
        return await self._send(
            lambda: _chunks(path, count), length, media_type(path), first, count.restart
        )

    async def send_bytes(self, data: bytes, mime: str) -> Stored:
        """Upload bytes. Raises Refused."""
        return await self._send(lambda: data, len(data), mime, 0, lambda: None)

    async def _send(
        self,
        content: Callable[[], bytes | AsyncIterator[bytes]],
        length: int,
        mime: str,
        first: int,
        restart: Callable[[], None],
    ) -> Stored:
        headers = {"Content-Type": mime, "Content-Length": str(length)}
        headers |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        params = {"size_hints": self.size_hints} if self.size_hints else {}
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Again),
            stop=stop_after_attempt(self.attempts),
            wait=_wait,
            sleep=asyncio.sleep,
            reraise=True,
        ):
            with attempt:
                restart()
                number = first + attempt.retry_state.attempt_number - 1
                url = self.urls[number % len(self.urls)]
                return await self._attempt(url, content(), headers, params)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(
        self,
        url: str,
        content: bytes | AsyncIterator[bytes],
        headers: dict[str, str],
        params: dict[str, str],
    ) -> Stored:
        try:
            answer = await self.client.post(
                f"{url}/", content=content, headers=headers, params=params
            )
        except httpx.InvalidURL as wrong:
            raise Refused("bad_url", f"{url} is not an address: {wrong}.") from None
        except httpx.UnsupportedProtocol:
            raise Refused("bad_url", f"{url} must begin with http:// or https://.") from None
        except httpx.TransportError as silence:
            raise Again("unreachable", f"{url} did not answer: {_reason(silence)}.") from None
        return _read(url, answer)


class _Counter:
    """Counts bytes for a progress bar, and takes them back when an attempt begins again."""

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self._progress = progress or (lambda _: None)
        self._sent = 0

    def add(self, length: int) -> None:
        self._sent += length
        self._progress(length)

    def restart(self) -> None:
        self._progress(-self._sent)
        self._sent = 0


async def _chunks(path: Path, count: _Counter) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
            count.add(len(chunk))


def media_type(path: Path) -> str:
    """The Content-Type by extension. The node looks at the bytes; any image/* lets it."""
    extension = path.suffix.lower().lstrip(".")
    form = BY_EXTENSION.get(CANONICAL_EXTENSION.get(extension, extension))
    return form.mime if form else "image/*"


def _wait(state: RetryCallState) -> float:
    """Seconds until the next attempt: the node's Retry-After at least, with jitter on top."""
    said = state.outcome.exception() if state.outcome else None
    asked = min(said.after_s, LONGEST_WAIT_S) if isinstance(said, Again) else 0.0
    return asked + _spread(state)


def _read(url: str, answer: httpx.Response) -> Stored:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    if answer.is_success and "hash" in body:
        return Stored(answer.status_code == 201, body)
    kind = Again if answer.status_code in WORTH_ANOTHER_TRY else Refused
    raise kind(
        str(body.get("error", "not_a_node")),
        str(
            body.get(
                "detail", f"{url} does not answer as a node does (status {answer.status_code})."
            )
        ),
        answer.status_code,
        _seconds(answer.headers.get("Retry-After", "")),
    )


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() else 0.0


def _reason(silence: httpx.TransportError) -> str:
    return str(silence) or type(silence).__name__
