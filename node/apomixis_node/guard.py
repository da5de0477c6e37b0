"""Who may call the internal listener, and under which epoch: the first lines of its every route."""

from __future__ import annotations

import re

from starlette.requests import Request

from apomixis_node.errors import ApiError
from apomixis_node.peers import (
    EPOCH,
    FROM,
    INCARNATION,
    URL,
    RingChangedError,
    UnreachableError,
)
from apomixis_node.state import Node
from apomixis_ring.epochs import Hearing, hear, is_meant
from apomixis_ring.model import Member, is_image_id

_NUMBER = re.compile(r"[0-9]{1,15}")


async def guard(request: Request) -> Node:
    """The node, once the caller has shown the secret, meant this member, and is at this epoch."""
    node: Node = request.app.state.node
    if not node.secrets.accepts(request.headers.get("authorization")):
        raise ApiError(
            "key_required", "This listener is for members that know the cluster's secret."
        )
    meant = request.headers.get(INCARNATION)
    if not is_meant(node.identity.incarnation, meant):
        detail = f"{node.identity.name} is here, as another incarnation than you mean."
        raise ApiError("wrong_member", detail)
    return node


async def guard_epoch(request: Request) -> tuple[Node, int]:
    """As `guard`, and the epoch of the call: 409 with the newer ring for one that is behind."""
    node = await guard(request)
    epoch = number(request, EPOCH)
    if epoch is None:
        raise ApiError("bad_request", f"The header {EPOCH} must carry the caller's epoch.")
    if hear(node.rings.epoch, epoch) is Hearing.CALLER_AHEAD:
        await _catch_up(node, request.headers.get(FROM, ""), request.headers.get(URL, ""))
    node.rings.require(epoch)
    return node, epoch


async def _catch_up(node: Node, caller: str, url: str) -> None:
    """The caller is ahead: fetch its ring before anything is answered."""
    ring = node.rings.ring
    name, _, incarnation = caller.partition("@")
    if not (name and incarnation and url.startswith(("http://", "https://"))):
        raise ApiError("not_ready", f"This node's ring is older than yours: say {FROM} and {URL}.")
    try:
        await node.peers.call(Member(name, incarnation, url), "GET", "/status", ring=ring)
    except RingChangedError:
        return
    except UnreachableError as silence:
        raise ApiError("not_ready", f"This node's ring is older than yours: {silence}") from silence


def number(request: Request, header: str) -> int | None:
    """A header's number, if it is one that can be: `int` alone would take what is none."""
    text = request.headers.get(header, "")
    return int(text) if _NUMBER.fullmatch(text) else None


def image_id_of(request: Request) -> str:
    """The id in the path. Raises ApiError `bad_id`."""
    image_id: str = request.path_params["id"]
    if not is_image_id(image_id):
        raise ApiError("bad_id", "An id is 40 lowercase hex digits.")
    return image_id


async def read_text(request: Request, most: int) -> str:
    """A body of at most `most` bytes of UTF-8. Raises ApiError."""
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > most:
            raise ApiError("too_large", f"This body may have {most} bytes.")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ApiError("bad_request", "The body is not UTF-8.") from None
