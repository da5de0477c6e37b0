"""What `apomixis up` says to its nodes, in the operator's place: who are you? here is the ring."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from apomixis_ring.reports import read_member, read_report

if TYPE_CHECKING:
    from apomixis_node.cli.processes import Spec
    from apomixis_ring.model import Member, Ring
    from apomixis_ring.transition import Report

ASK_EVERY_S = 0.1
PUT_TIMEOUT_S = 60.0  # adopting a ring waits for the writes that began under the older one


class NotHeardError(Exception):
    """A node answered something else than what it was asked for; the text says what."""


class Shown(httpx.Auth):
    """Shows the cluster's secret as it is at every request: it may be rotated meanwhile."""

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {self._secret()}"
        yield request


@dataclass(frozen=True, slots=True)
class Introduction:
    """Calls to internal listeners, with the cluster's secret."""

    secret: Callable[[], str]

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(auth=Shown(self.secret), timeout=5.0, trust_env=False)

    async def identity(self, spec: Spec) -> Member:
        """Ask a node who it is until it answers; the caller ends the waiting.

        Raises NotHeardError when something answers that is not this node.
        """
        async with self._client() as client:
            while True:
                try:
                    answer = await client.get(f"{spec.internal_url}/identity")
                except httpx.TransportError:
                    await asyncio.sleep(ASK_EVERY_S)
                    continue
                return _member(spec, answer)

    async def report(self, url: str) -> tuple[Member, Report] | None:
        """What the node at this internal address says of itself now; None is silence."""
        async with self._client() as client:
            try:
                answer = await client.get(f"{url}/report")
                said = answer.raise_for_status().json()
                return read_member(said), read_report(said)
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                return None

    async def ask(self, member: Member, ring: Ring, what: str, body: object = None) -> bool:
        """Ask a node to copy, clean, retire or drain; whether it said that it does."""
        headers = {
            "Apomixis-Incarnation": member.incarnation,
            "Apomixis-Epoch": str(ring.epoch),
        }
        async with self._client() as client:
            try:
                answer = await client.post(f"{member.url}/{what}", json=body, headers=headers)
            except httpx.TransportError:
                return False
        return answer.status_code < 300

    async def offer_ring(self, member: Member, ring: Ring) -> bool:
        """Give a node the ring once; whether it has adopted it."""
        headers = {"Apomixis-Incarnation": member.incarnation}
        async with self._client() as client:
            try:
                answer = await client.put(
                    f"{member.url}/ring",
                    content=ring.dumps(),
                    headers=headers,
                    timeout=PUT_TIMEOUT_S,
                )
            except httpx.TransportError:
                return False
        return answer.status_code < 300

    async def put_ring(self, member: Member, ring: Ring) -> None:
        """Give a node the ring until it has adopted it; the caller ends the waiting.

        Raises NotHeardError when the node refuses it.
        """
        headers = {
            "Content-Type": "application/json",
            "Apomixis-Incarnation": member.incarnation,
        }
        async with self._client() as client:
            while True:
                try:
                    answer = await client.put(
                        f"{member.url}/ring",
                        content=ring.dumps(),
                        headers=headers,
                        timeout=PUT_TIMEOUT_S,
                    )
                except httpx.TransportError:
                    await asyncio.sleep(ASK_EVERY_S)
                    continue
                if answer.status_code >= 300:
                    raise NotHeardError(f"{member.name} refused the ring: {_detail(answer)}")
                return


def _member(spec: Spec, answer: httpx.Response) -> Member:
    try:
        said: dict[str, Any] = json.loads(answer.raise_for_status().text)
        if said["name"] != spec.name:
            raise NotHeardError(f"{spec.internal_url} is {said['name']}, not {spec.name}.")
        return read_member(said)
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        raise NotHeardError(
            f"{spec.internal_url} does not answer as {spec.name}: {_detail(answer)}"
        ) from None


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}."
