"""Sync, the one repair primitive: make a partition the union of what its other holders have.

    digests of all partitions ──► where they differ: inventory ──► what is lacking, many files a
    (one request a source)                                         request, hashed on arrival

Growing, shrinking, a lost disk, a returned node and a flipped bit are all this. It only adds, it
may be broken off anywhere, and it is done by the node that needs it, because it owns the disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import httpx
import structlog
from anyio import to_thread

from apomixis_node import inventory
from apomixis_node.arrivals import Arrivals
from apomixis_node.copies import Collision, NewerStamp
from apomixis_node.delete import bury_here
from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.frames import BadFrameError
from apomixis_node.inventory import Entry
from apomixis_node.peers import RingChangedError, UnreachableError
from apomixis_node.replicate import as_errors
from apomixis_node.state import Node
from apomixis_ring.marks import Mark, lacking
from apomixis_ring.model import Member, Ring

BATCH_FILES = 64
BATCH_BYTES = 32 * 1024 * 1024
TOGETHER = 64  # partitions
LANES = 2  # the next files are on their way while some are flushed
HOP_BYTES = 1024 * 1024  # handed to a thread at once
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
            groups = (indexes[i : i + TOGETHER] for i in range(0, len(indexes), TOGETHER))

            async def lane() -> None:
                for group in groups:
                    await _group(node, pass_, source, group, theirs)

            await _all(lane() for _ in range(LANES))
        except RingChangedError:
            raise
        except BROKEN as broken:
            if isinstance(broken, DiskFailed | ApiError):
                node.wants_sync.update(indexes)
            node.syncing.why = f"{source.name}: {broken}"
            log.info("sync broken off", source=source.name, why=str(broken))


async def _all(parts: Iterable[Awaitable[None]]) -> None:
    """Wait for all; of what went wrong a changed ring first, for it says to begin anew."""
    results = await asyncio.gather(*parts, return_exceptions=True)
    wrong = [result for result in results if isinstance(result, BaseException)]
    for result in sorted(wrong, key=lambda r: not isinstance(r, RingChangedError)):
        raise result


async def _group(
    node: Node, pass_: _Pass, source: Member, indexes: list[int], theirs: dict[int, str]
) -> None:
    """Some partitions: their inventories in one request, their files in a few."""
    mine = await to_thread.run_sync(_digests, node, [i for i in indexes if i in theirs])
    differ = [index for index, digest in mine.items() if theirs[index] != digest]
    listed: dict[int, dict[str, Entry]] = {}
    if differ:
        listed = await _inventories(node, pass_.ring, source, differ)
        await _pull(node, pass_.ring, source, listed)
    lacking = await to_thread.run_sync(_lacking, node, listed)
    for index in indexes:
        if not lacking.get(index):
            pass_.whole[index].add(source.key)


def _digests(node: Node, indexes: list[int]) -> dict[int, str]:
    return {index: node.digests.of(index) for index in indexes}


async def _inventories(
    node: Node, ring: Ring, source: Member, indexes: list[int]
) -> dict[int, dict[str, Entry]]:
    body = "\n".join(map(str, indexes)).encode()
    answer = await node.peers.call(source, "POST", "/inventories", ring=ring, content=body)
    found = answer.json()
    return {
        index: {i: _entry(entry) for i, entry in found[str(index)].items()} for index in indexes
    }


def _entry(found: list[object]) -> Entry:
    stamp, gone, extension, length = found
    return Entry(Mark(int(str(stamp)), bool(gone)), str(extension), int(str(length)))


def _lacking(node: Node, listed: dict[int, dict[str, Entry]]) -> dict[int, list[str]]:
    """What is not here yet, fsynced, of what a source has, by partition."""
    found = {}
    for index, entries in listed.items():
        here = inventory.listing(node.store, index)
        bad = {i: e.mark for i, e in here.items() if e.quarantined}
        theirs = {i: e.mark for i, e in entries.items()}
        found[index] = list(lacking(theirs, inventory.marks(here), bad))
    node.store.settle()
    return found


async def _pull(
    node: Node, ring: Ring, source: Member, listed: dict[int, dict[str, Entry]]
) -> None:
    """Take over what a source has and this node lacks."""
    lacking = await to_thread.run_sync(_lacking, node, listed)
    entries = {i: listed[index][i] for index, ids in lacking.items() for i in ids}
    for image_id, entry in entries.items():
        if entry.mark.deleted:
            await _bury(node, ring, image_id, entry.mark.stamp)
    for batch in batches([i for i, e in entries.items() if not e.mark.deleted], entries):
        await _fetch(node, ring, source, batch)


def batches(
    files: list[str], listed: dict[str, Entry], most: int = BATCH_FILES
) -> Iterator[list[str]]:
    """The files in groups that are small enough for one request, or one look."""
    batch: list[str] = []
    size = 0
    for image_id in files:
        if batch and (len(batch) >= most or size + listed[image_id].length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(image_id)
        size += listed[image_id].length
    if batch:
        yield batch


async def _bury(node: Node, ring: Ring, image_id: str, stamp: int) -> None:
    """A newer stamp that came meanwhile is as good."""
    try:
        await bury_here(node, ring.epoch, image_id, stamp, copy=True)
    except ApiError as error:
        if error.code != "newer_stamp":
            raise


async def _fetch(node: Node, ring: Ring, source: Member, batch: list[str]) -> None:
    """One request for many files, kept together once all of them are whole."""
    body = "\n".join(batch).encode()
    answer = await node.peers.call(source, "POST", "/batch", ring=ring, content=body, stream=True)
    with closing(Arrivals(node.store)) as arrivals:
        try:
            async for chunks in _hops(answer.aiter_raw(), node.settings.sync_rate):
                await to_thread.run_sync(arrivals.feed, chunks)
        finally:
            await answer.aclose()
        files = arrivals.end()
        async with node.rings.writing(ring.epoch):
            with as_errors(node):
                refused = await to_thread.run_sync(
                    arrivals.keep, lambda: node.rings.require(ring.epoch)
                )
        _note(node, files, arrivals.size, refused)


async def _hops(body: AsyncIterator[bytes], rate: int) -> AsyncIterator[list[bytes]]:
    """The body in pieces worth a thread's while, no faster than `rate` bytes/s (0: any)."""
    began = time.monotonic()
    chunks: list[bytes] = []
    size = 0
    async for chunk in body:
        chunks.append(chunk)
        size += len(chunk)
        if size >= HOP_BYTES:
            yield chunks
            await pace(size, rate, began)
            chunks, size, began = [], 0, time.monotonic()
    yield chunks
    await pace(size, rate, began)


async def pace(size: int, rate: int, began: float) -> None:
    """Wait until `size` bytes since `began` are no more than `rate` a second (0: any)."""
    if rate:
        await asyncio.sleep(max(0.0, size / rate - (time.monotonic() - began)))


def _note(node: Node, files: int, size: int, refused: list[NewerStamp | Collision | None]) -> None:
    """Count; a newer stamp that came meanwhile is as good."""
    node.syncing.files += files
    node.syncing.bytes += size
    node.metrics.synced_bytes.inc(size)
    for why in refused:
        if isinstance(why, Collision):
            node.syncing.why = "Other bytes with the same SHA-1 are kept here."
            log.error("a copy collides with what is here")
