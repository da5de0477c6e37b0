"""Gossip: every second or so, swap what is known of all members with one of them, at random.

News of a death or a new ring reaches everyone in a handful of rounds. A node that starts goes to
each once, and whom it tells of its start calls it back. A member that was dead and
is back was cut off, or this node was: it catches up again, for what it heard before is old.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import asdict
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.guard import guard, read_text
from apomixis_node.peers import FROM, RingChangedError, UnreachableError
from apomixis_node.state import Node
from apomixis_ring.model import Member, Ring
from apomixis_ring.rumours import Rumour, State

BYTES = 4 * 1024 * 1024
PATIENCE_S = 2.0
log = structlog.get_logger()


def now_ms() -> int:
    """Milliseconds of a clock that never goes back."""
    return int(time.monotonic() * 1000)


async def run(node: Node) -> None:
    """Gossip until cancelled."""
    while True:
        jitter = random.uniform(0.8, 1.2)  # noqa: S311  so that rounds don't fall together
        await asyncio.sleep(node.settings.gossip_interval * jitter)
        node.view.beat(node.rings.epoch, await asyncio.to_thread(_about, node))
        ring = node.rings.known
        others = [m for m in ring.members if not node.is_me(m)] if ring else []
        if ring and others:
            strangers = set(node.announced.strangers([m.key for m in others]))
            next_ones = [m for m in others if m.key in strangers] or others
            await _swap(node, ring, random.choice(next_ones))  # noqa: S311


def _about(node: Node) -> dict[str, Any]:
    try:
        disk: dict[str, Any] = node.store.room.usage()
    except DiskFailed as failed:
        disk = {"failed": str(failed)}
    return {"disk": disk}


async def _swap(node: Node, ring: Ring, member: Member) -> None:
    try:
        answer = await node.peers.call(
            member, "POST", "/gossip", ring=ring, json=told(node), patience=PATIENCE_S
        )
        hear(node, answer.json())
        await _newest_ring(node, ring)
    except (UnreachableError, RingChangedError, ApiError, ValueError, TypeError, KeyError):
        return


async def _newest_ring(node: Node, ring: Ring) -> None:
    """Fetch a ring that a rumour says is newer, from the one who has it."""
    newest = node.view.newest_epoch()
    if newest.epoch > node.rings.epoch:
        member = Member(newest.name, newest.incarnation, newest.url)
        await node.peers.call(member, "GET", "/status", ring=ring, patience=PATIENCE_S)


def told(node: Node) -> list[dict[str, Any]]:
    """Everything this node knows, as JSON values."""
    return [asdict(rumour) for rumour in node.view.rumours()]


def hear(node: Node, found: list[dict[str, Any]]) -> None:
    """Take over what is news. Raises ValueError, TypeError, KeyError for what is no gossip."""
    rumours = tuple(Rumour(**one) for one in found)
    before = {r.key: node.view.state(r.key, now_ms()) for r in rumours}
    for rumour in node.view.merge(rumours, now_ms()):
        node.peers.addresses[rumour.key] = rumour.url
        if before[rumour.key] is State.DEAD and _was_heard_before(node, rumour):
            log.info("member is back", member=rumour.key)
            node.knowledge.was_cut_off()
            node.wake.set()


def _was_heard_before(node: Node, rumour: Rumour) -> bool:
    ring = node.rings.known
    return ring is not None and rumour.key in ring


async def gossip(request: Request) -> Response:
    """Swap: the caller's rumours for this node's."""
    node = await guard(request)
    caller = request.headers.get(FROM, "")
    before = node.view.started(caller)
    try:
        hear(node, json.loads(await read_text(request, BYTES)))
    except (ValueError, TypeError, KeyError):
        raise ApiError("bad_request", "This is no gossip.") from None
    node.announced.called_by(caller)
    if node.view.started(caller) != before:
        _call_back(node, caller)
    return JSONResponse(told(node))


def _call_back(node: Node, key: str) -> None:
    """The caller has just started: show it that its address is known, in the background."""
    name, _, incarnation = key.partition("@")
    ring, url = node.rings.known, node.peers.addresses.get(key)
    if ring is not None and url is not None:
        node.tasks.start(_swap(node, ring, Member(name, incarnation, url)), "gossip")


def is_announced(node: Node) -> bool:
    """Whether most live peers know where this node is now."""
    ring, now = node.rings.known, now_ms()
    live = [
        m.key
        for m in (ring.members if ring else ())
        if not node.is_me(m)
        and not node.peers.suspected(m.key)
        and node.view.state(m.key, now) is not State.DEAD
    ]
    return node.announced.is_known(live)


ROUTES = [Route("/gossip", gossip, methods=["POST"])]
