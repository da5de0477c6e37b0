"""One way to read: this node or the first reader that can, else a 404, 410 or 503 that is true.

Each reader answers from itself alone. What they said of an image is weighed by `quorum.read`;
silence is never an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import httpx
from anyio import to_thread

from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.peers import STAMP, RingChangedError, UnreachableError
from apomixis_node.state import Node
from apomixis_ring.answers import Heard, weighed
from apomixis_ring.marks import Mark
from apomixis_ring.model import Member, Ring
from apomixis_ring.quorum import Answer, Verdict, read

T = TypeVar("T")
# What a member's error says of the image: the rest (busy, render failed) says that it is there.
ANSWERS = {"not_found": Answer.NO, "deleted": Answer.GONE}
UNKNOWN = frozenset({"not_ready", "stale_epoch", "wrong_member", "disk_full", "internal_error"})
RING_CHANGES = 3


async def from_readers(
    node: Node,
    image_id: str,
    here: Callable[[], Awaitable[T]],
    there: Callable[[Member, Ring, Mark | None], Awaitable[T]],
) -> T:
    """What the first reader that has the image makes of it.

    Raises ApiError: `not_found`, `deleted` or `owners_unreachable` as the quorum rules say, or the
    error of a reader that has the image but can't serve it.
    """
    for _ in range(RING_CHANGES):
        try:
            return await _one_pass(node, node.rings.ring, image_id, here, there)
        except RingChangedError:
            continue
    raise ApiError("owners_unreachable", "The ring changed several times meanwhile; try again.")


async def _one_pass(
    node: Node,
    ring: Ring,
    image_id: str,
    here: Callable[[], Awaitable[T]],
    there: Callable[[Member, Ring, Mark | None], Awaitable[T]],
) -> T:
    heard: dict[str, Heard] = {}
    own = _OwnMark(node, image_id)
    busy: ApiError | None = None
    for member in node.peers.in_order(ring.readers(image_id)):
        try:
            if node.is_me(member):
                found = await here()
            else:
                found = await there(member, ring, _newest_tombstone(heard, await own.read()))
            _mend(node, ring, image_id, heard)
            return found
        except UnreachableError:
            heard[member.key] = Answer.UNKNOWN, None
        except ApiError as error:
            if error.code == "busy":
                busy = error
            elif error.code not in ANSWERS and error.code not in UNKNOWN:
                raise
            heard[member.key] = _heard(error)
    if busy is not None:
        raise busy
    raise _verdict(ring, image_id, weighed(heard, await own.read()))


def _mend(node: Node, ring: Ring, image_id: str, heard: dict[str, Heard]) -> None:
    """Owners that said no to what another one has sync that partition, behind the answer."""
    index = ring.index(image_id)
    lacking = [key for key, (said, _) in heard.items() if said is Answer.NO]
    if not lacking or ring.pending is not None:
        return

    async def mend() -> None:
        for key in lacking:
            if key == node.key:
                node.wants_sync.add(index)
                node.wake.set()
                continue
            with suppress(UnreachableError, RingChangedError, ApiError):
                await node.peers.call(ring.member(key), "POST", "/copy", ring=ring, json=[index])

    node.tasks.start(mend(), "read repair")


def _newest_tombstone(heard: dict[str, Heard], mine: Mark | None) -> Mark | None:
    known = [mark for _, mark in heard.values() if mark is not None and mark.deleted]
    known += [mine] if mine is not None and mine.deleted else []
    return max(known, default=None)


def refuse_outdone(answer: httpx.Response, tombstone: Mark | None) -> None:
    """Raise ApiError `deleted` for a yes from an owner that missed the delete."""
    stamp = int(answer.headers.get(STAMP, "0"))
    if tombstone is not None and Mark(stamp) < tombstone:
        raise ApiError("deleted", "This owner missed the delete.", {"stamp": tombstone.stamp})


def _heard(error: ApiError) -> Heard:
    stamp = (error.extra or {}).get("stamp")
    mark = Mark(stamp, deleted=True) if isinstance(stamp, int) else None
    return ANSWERS.get(error.code, Answer.UNKNOWN), mark


class _OwnMark:
    """What this node has of the image, read once, before another's answer is weighed by it.

    Not where this node answers from its own disk first, as most misses are: that costs a thread.
    """

    def __init__(self, node: Node, image_id: str) -> None:
        self._node, self._image_id = node, image_id
        self._found: tuple[Mark | None] | None = None

    async def read(self) -> Mark | None:
        if self._found is None:
            self._found = (await to_thread.run_sync(self._read),)
        return self._found[0]

    def _read(self) -> Mark | None:
        try:
            return self._node.store.mark(self._image_id)
        except DiskFailed:
            return None


def _verdict(ring: Ring, image_id: str, answers: dict[str, Answer]) -> ApiError:
    reading = read(ring, image_id, answers)
    if reading.verdict is Verdict.ABSENT:
        return ApiError("not_found", f"No image has the id {image_id}. {reading.why}")
    if reading.verdict is Verdict.DELETED:
        return ApiError("deleted", f"The image {image_id} was deleted. {reading.why}")
    return ApiError("owners_unreachable", f"{reading.why} Try again in a moment.")
