"""Originals: found here or at another owner, and streamed byte for byte from whoever holds them.

A stream that breaks goes on from the next reader at the byte where it broke.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import httpx
from anyio import to_thread

from apomixis_node.copies import Original, Tombstone
from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.peers import RingChangedError, UnreachableError
from apomixis_node.readers import from_readers, refuse_outdone
from apomixis_node.respond import Validators
from apomixis_node.state import Node
from apomixis_ring.answers import answer
from apomixis_ring.marks import Mark
from apomixis_ring.model import Member, Ring
from apomixis_ring.quorum import Answer

CHUNK = 256 * 1024
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Held:
    """An original and who holds it (None: this node). `stamp` in milliseconds."""

    extension: str
    length: int
    stamp: int
    member: Member | None = None

    @property
    def validators(self) -> Validators:
        """Equal on every node: length and stamp are."""
        return Validators(self.length, self.stamp // 1000)


async def here(node: Node, image_id: str) -> Original:
    """This node's own original.

    Raises ApiError: `not_found` and `deleted` are this node's certain "no", `not_ready` its
    "unknown": an unreadable disk is never an empty one.
    """
    ring = node.rings.ring
    index = ring.index(image_id)
    try:
        found, quarantined = await to_thread.run_sync(_look, node, image_id)
    except DiskFailed as failed:
        raise ApiError("not_ready", f"The disk of {node.identity.name} fails: {failed}") from failed
    said = answer(
        found.mark if found else None,
        ready=node.knowledge.answering(ring, index, shown=isinstance(found, Original)),
        caught_up=node.knowledge.caught_up(ring, index),
        quarantined=quarantined,
    )
    if said is Answer.YES and isinstance(found, Original):
        return found
    if said is Answer.GONE and found is not None:
        raise ApiError("deleted", f"The image {image_id} was deleted.", {"stamp": found.stamp})
    if said is Answer.NO:
        raise ApiError("not_found", f"{node.identity.name} does not have it.")
    raise ApiError("not_ready", f"{node.identity.name} can't say yet: it is catching up.")


def _look(node: Node, image_id: str) -> tuple[Original | Tombstone | None, bool]:
    found = node.store.find(image_id)
    lost = None if isinstance(found, Original) else node.store.bad.mark(image_id)
    return found, lost is not None and (found is None or found.mark < lost)


async def find(node: Node, image_id: str) -> Held:
    """The first reader that holds it. Raises ApiError as the quorum rules say."""

    async def on_my_disk() -> Held:
        original = await here(node, image_id)
        return Held(original.extension, original.length, original.stamp)

    async def there(member: Member, ring: Ring, tombstone: Mark | None) -> Held:
        answer = await node.peers.call(member, "GET", f"/held/{image_id}", ring=ring)
        refuse_outdone(answer, tombstone)
        return Held(**answer.json(), member=member)

    return await from_readers(node, image_id, on_my_disk, there)


async def stream(
    node: Node, image_id: str, held: Held, start: int, end: int
) -> AsyncIterator[bytes]:
    """The bytes [start, end) of an original, wherever they are."""
    for attempt in range(ATTEMPTS):
        try:
            async for chunk in _source(node, image_id, held, start, end):
                start += len(chunk)
                yield chunk
            if start >= end:
                return
        except (UnreachableError, RingChangedError, OSError, httpx.HTTPError, ApiError) as broken:
            if held.member is not None:
                node.peers.suspect(held.member, repr(broken))
            if attempt == ATTEMPTS - 1:
                raise
        held = await find(node, image_id)


async def _source(
    node: Node, image_id: str, held: Held, start: int, end: int
) -> AsyncIterator[bytes]:
    if held.member is None:
        async for chunk in stream_here(node, image_id, start, end):
            yield chunk
        return
    answer = await node.peers.call(
        held.member,
        "GET",
        f"/originals/{image_id}",
        ring=node.rings.ring,
        headers={"Range": f"bytes={start}-{end - 1}"},
        stream=True,
    )
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


async def stream_here(node: Node, image_id: str, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes [start, end) of this node's own original."""
    original = await here(node, image_id)
    async for chunk in read_file(os.open(original.path, os.O_RDONLY), start, end):
        yield chunk


async def read_file(descriptor: int, start: int, end: int) -> AsyncGenerator[bytes]:
    """The bytes [start, end) of an open file, in chunks read in a thread; closes it."""
    try:
        while start < end:
            chunk = await to_thread.run_sync(os.pread, descriptor, min(CHUNK, end - start), start)
            if not chunk:
                raise OSError("the file is shorter than it was")
            start += len(chunk)
            yield chunk
    finally:
        os.close(descriptor)
