"""Calls to other members: who is meant, at which epoch, with a timeout and a meaning of silence.

Whatever a member does not say itself, at this epoch and under its own incarnation, is *unknown*:
a refused connection, a timeout, another server on a reused address. Nothing here reads an answer
out of silence.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any

import httpx

from apomixis_node.access import Secrets
from apomixis_node.epochs import Rings
from apomixis_node.errors import STATUS_OF, ApiError
from apomixis_node.metrics import Metrics
from apomixis_node.settings import Settings
from apomixis_ring.model import Member, Ring, RingError
from apomixis_ring.reading import from_json

EPOCH = "Apomixis-Epoch"
FROM = "Apomixis-From"
INCARNATION = "Apomixis-Incarnation"
MEMBER = "Apomixis-Member"
URL = "Apomixis-Url"
STAMP = "Apomixis-Stamp"
EXTENSION = "Apomixis-Extension"
# Shorter than the listeners' own keep-alive, so that a call never races a closing connection.
KEEPALIVE_S = 4.0


class UnreachableError(Exception):
    """The member did not answer as itself: what it holds is unknown."""


class RingChangedError(Exception):
    """A peer had a newer ring, which is adopted now: decide again with it."""


class Peers:
    """One HTTP client for all members, and a short memory of which of them did not answer."""

    def __init__(
        self, me: str, rings: Rings, secrets: Secrets, settings: Settings, metrics: Metrics
    ) -> None:
        self.me = me
        self._rings = rings
        self._secrets = secrets
        self._settings = settings
        self._metrics = metrics
        self._silent_until: dict[str, float] = {}
        self.addresses: dict[str, str] = {}  # by member key, where gossip knows a newer one
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.peer_timeout, connect=settings.connect_timeout),
            transport=httpx.AsyncHTTPTransport(
                limits=httpx.Limits(max_connections=256, keepalive_expiry=KEEPALIVE_S),
                local_address=_leaving_from(settings.internal_host),
                trust_env=False,
            ),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def suspected(self, key: str) -> bool:
        """Whether this member did not answer lately; it is asked last, never left out."""
        return self._silent_until.get(key, 0.0) > time.monotonic()

    def in_order(self, members: Iterable[Member]) -> list[Member]:
        """The members as given, suspected ones last."""
        return sorted(members, key=lambda member: self.suspected(member.key))

    async def call(
        self,
        member: Member,
        method: str,
        path: str,
        *,
        ring: Ring,
        content: AsyncIterable[bytes] | bytes | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        patience: float | None = None,
    ) -> httpx.Response:
        """One request to `member` under `ring`'s epoch; the answer has a status below 400.

        With `stream` the body is not read yet, and the caller closes the answer. `patience` is
        the longest silence in seconds, `peer_timeout` by default.
        Raises UnreachableError, RingChangedError, or the ApiError that the member answered with.
        """
        request = self._client.build_request(
            method,
            self.addresses.get(member.key, member.url) + path,
            content=content,
            json=json,
            headers={**self._headers(member, ring), **(headers or {})},
        )
        if patience is not None:
            connect = min(patience, self._settings.connect_timeout)
            request.extensions["timeout"] = httpx.Timeout(patience, connect=connect).as_dict()
        response = await self._send(member, request, stream=stream)
        if response.status_code >= 400:
            await self._raise(member, ring, response)
        return response

    def _headers(self, member: Member, ring: Ring) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._secrets.current}",
            EPOCH: str(ring.epoch),
            FROM: self.me,
            URL: self._settings.advertised_url,
            INCARNATION: member.incarnation,
        }

    async def _send(
        self, member: Member, request: httpx.Request, *, stream: bool
    ) -> httpx.Response:
        try:
            response = await self._client.send(request, stream=True)
            if response.headers.get(MEMBER) != member.key and response.status_code != 421:
                await response.aclose()
                raise UnreachableError(f"Something else answers at {member.url}.")
            if not stream or response.status_code >= 400:
                await response.aread()
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as silence:
            self.suspect(member, repr(silence))
            raise UnreachableError(f"{member.name} did not answer: {silence!r}.") from silence
        self._silent_until.pop(member.key, None)
        self._metrics.peer_requests.labels(result="answered").inc()
        return response

    def suspect(self, member: Member, why: str) -> None:
        """Remember for a while that `member` did not answer."""
        del why
        self._metrics.peer_requests.labels(result="unreachable").inc()
        self._silent_until[member.key] = time.monotonic() + self._settings.suspect_for

    async def _raise(self, member: Member, asked: Ring, response: httpx.Response) -> None:
        body = _object(response)
        code = str(body.pop("error", "internal_error"))
        if code == "stale_epoch" and "ring" in body:
            await self._adopt(member, asked, body["ring"])
        if code == "wrong_member" or code not in STATUS_OF:
            raise UnreachableError(f"{member.name} is not at {member.url} any more.")
        raise ApiError(code, str(body.pop("detail", "")), body)

    async def _adopt(self, member: Member, asked: Ring, found: object) -> None:
        try:
            ring = from_json(found)
        except RingError as wrong:
            raise UnreachableError(f"{member.name} sent a ring that is none: {wrong}") from wrong
        if asked.epoch < ring.epoch <= self._rings.epoch:
            raise RingChangedError  # adopted by another way while the answer was under way
        if ring.epoch <= self._rings.epoch:
            raise UnreachableError(f"{member.name} disagrees about epoch {ring.epoch}.")
        await self._rings.adopt(ring)
        raise RingChangedError


def _leaving_from(internal_host: str) -> str | None:
    """Calls leave from the address that the internal listener is bound to, if it is one."""
    try:
        address = ip_address(internal_host)
    except ValueError:
        return None  # a name
    return None if address.is_unspecified else internal_host


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
