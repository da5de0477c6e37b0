"""Sync, the one repair primitive: make a partition the union of what its other holders have.

    digests of all partitions ──► where they differ: inventory ──► what is lacking, many files a
    (one request a source)                                         request, hashed on arrival

Growing, shrinking, a lost disk, a returned node and a flipped bit are all this. It only adds, it
may be broken off anywhere, and it is done by the node that needs it, because it owns the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass, field

import httpx
import structlog
from anyio import to_thread

from apomixis_node import inventory
from apomixis_node.delete import bury_here
from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.frames import BadFrameError, Frames, Head
from apomixis_node.inventory import Entry
from apomixis_node.peers import RingChangedError, UnreachableError
from apomixis_node.replicate import put_here
from apomixis_node.state import Node
from apomixis_ring.marks import Mark, lacking
from apomixis_ring.model import Member, Ring

BATCH_FILES = 64
TOGETHER = 16  # partitions
BATCH_BYTES = 32 * 1024 * 1024
log = structlog.get_logger()
BROKEN = (UnreachableError, ApiError, DiskFailed, BadFrameError, httpx.HTTPError, OSError)


@dataclass
class Progress:
    """What a node's syncs have done since it started, for its report."""

    files: int = 0
    bytes: int = 0
    running: int = 0
    why: str = ""


@dataclass
class _Pass:
    """One sync of some partitions: which sources each of them has been made equal to."""

    ring: Ring
    whole: dict[int, set[str]] = field(default_factory=dict)


async def sync(node: Node, indexes: Iterable[int]) -> None:
    """Sync partitions with all their other owners, and note what is known now.

    Raises RingChangedError when a newer ring was adopted meanwhile: what was pulled stays.
    """
    ring = node.rings.ring
    todo = sorted(set(indexes))
    pass_ = _Pass(ring, {index: set() for index in todo})
    sources = _sources(node, ring, todo)
    node.syncing.running += 1
    try:
        limit = asyncio.Semaphore(node.settings.sync_concurrency)
        results = await asyncio.gather(
            *(_from(node, pass_, ring.member(k), wanted, limit) for k, wanted in sources.items()),
            return_exceptions=True,
        )
    finally:
        node.syncing.running -= 1
    for result in results:
        if isinstance(result, BaseException):
            raise result
    if node.rings.ring is not ring:
        raise RingChangedError
    for index in todo:
        node.knowledge.synced(ring, index, pass_.whole[index])


def _sources(node: Node, ring: Ring, indexes: list[int]) -> dict[str, list[int]]:
    """Whom to ask for what: the other owners of each partition, current ones and pending ones."""
    found: dict[str, list[int]] = {}
    for index in indexes:
        keys = ring.current[index] + (ring.pending[index] if ring.pending else ())
        for key in dict.fromkeys(keys):
            if key != node.key:
                found.setdefault(key, []).append(index)
    return found


async def _from(
    node: Node, pass_: _Pass, source: Member, indexes: list[int], limit: asyncio.Semaphore
) -> None:
    """Everything that one source has of these partitions; silence leaves them as they are."""
    async with limit:
        try:
            answer = await node.peers.call(source, "GET", "/digests", ring=pass_.ring)
            theirs = {int(index): digest for index, digest in answer.json().items()}
            for start in range(0, len(indexes), TOGETHER):
                await _together(node, pass_, source, indexes[start : start + TOGETHER], theirs)
        except RingChangedError:
            raise
        except BROKEN as broken:
            node.syncing.why = f"{source.name}: {broken}"
            log.info("sync broken off", source=source.name, why=str(broken))


async def _together(
    node: Node, pass_: _Pass, source: Member, indexes: list[int], theirs: dict[int, str]
) -> None:
    """Some partitions at once, so that the next request is on its way while a file is fsynced."""
    results = await asyncio.gather(
        *(_partition(node, pass_, source, index, theirs.get(index, "")) for index in indexes),
        return_exceptions=True,
    )
    wrong = [result for result in results if isinstance(result, BaseException)]
    for result in sorted(wrong, key=lambda r: not isinstance(r, RingChangedError)):
        raise result


async def _partition(node: Node, pass_: _Pass, source: Member, index: int, theirs: str) -> None:
    mine = await to_thread.run_sync(node.digests.of, index)
    if theirs == mine or not theirs:
        pass_.whole[index].add(source.key)
        return
    answer = await node.peers.call(source, "GET", f"/inventory/{index}", ring=pass_.ring)
    listed = {i: _entry(found) for i, found in answer.json().items()}
    if await _pull(node, pass_.ring, source, index, listed):
        pass_.whole[index].add(source.key)


def _entry(found: list[object]) -> Entry:
    stamp, gone, extension, length = found
    return Entry(Mark(int(str(stamp)), bool(gone)), str(extension), int(str(length)))


async def _lacking(node: Node, index: int, listed: dict[str, Entry]) -> list[str]:
    here = await to_thread.run_sync(inventory.listing, node.store, index)
    bad = {i: e.mark for i, e in here.items() if e.quarantined}
    theirs = {i: e.mark for i, e in listed.items()}
    return list(lacking(theirs, inventory.marks(here), bad))


async def _pull(
    node: Node, ring: Ring, source: Member, index: int, listed: dict[str, Entry]
) -> bool:
    """Take over what a source has and this node lacks; whether all of it is here now."""
    missing = await _lacking(node, index, listed)
    for image_id in missing:
        if listed[image_id].mark.deleted:
            await _quietly(
                bury_here(node, ring.epoch, image_id, listed[image_id].mark.stamp, copy=True)
            )
    files = [i for i in missing if not listed[i].mark.deleted]
    for batch in batches(files, listed):
        await _fetch(node, ring, source, batch)
    return not await _lacking(node, index, listed)


def batches(files: list[str], listed: dict[str, Entry]) -> Iterator[list[str]]:
    """The files in groups that are small enough for one request, or one look."""
    batch: list[str] = []
    size = 0
    for image_id in files:
        if batch and (len(batch) >= BATCH_FILES or size + listed[image_id].length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(image_id)
        size += listed[image_id].length
    if batch:
        yield batch


async def _fetch(node: Node, ring: Ring, source: Member, batch: list[str]) -> None:
    """One request for many files, each kept as soon as it is whole."""
    answer = await node.peers.call(
        source,
        "POST",
        "/batch",
        ring=ring,
        content="\n".join(batch).encode(),
        stream=True,
    )
    try:
        frames = Frames(answer.aiter_raw())
        while (head := await frames.head()) is not None:
            await _receive(node, ring, frames, head)
    finally:
        await answer.aclose()


async def _receive(node: Node, ring: Ring, frames: Frames, head: Head) -> None:
    began = asyncio.get_running_loop().time()
    with await to_thread.run_sync(node.store.new_file) as incoming:
        async for chunk in frames.body(head):
            await to_thread.run_sync(incoming.write, chunk)
        incoming.finish()
        if incoming.digest != head.id:
            raise BadFrameError(f"{head.id} arrived with other bytes")
        await _quietly(put_here(node, ring.epoch, incoming, head.extension, head.stamp, copy=True))
    node.syncing.files += 1
    node.syncing.bytes += head.length
    node.metrics.synced_bytes.inc(head.length)
    rate = node.settings.sync_rate
    if rate:
        spent = asyncio.get_running_loop().time() - began
        await asyncio.sleep(max(0.0, head.length / rate - spent))


async def _quietly(write: Awaitable[object]) -> None:
    """A newer stamp that came meanwhile is as good."""
    try:
        await write
    except ApiError as error:
        if error.code != "newer_stamp":
            raise
