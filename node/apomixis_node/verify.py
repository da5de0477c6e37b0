"""Verify, the scrub: re-hash what is on disk, mend what is wrong, finish what was left undone.

It walks the partitions at a bounded byte rate, remembers where it was over a restart, and ends
with what it found. Bad bytes go to quarantine and are fetched again from another owner; copies
that are others' go to them; tombstones that every member confirmed expire.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
from anyio import to_thread

from apomixis_node import inventory, leftovers
from apomixis_node.disk import write_durably
from apomixis_node.inventory import Entry
from apomixis_node.peers import RingChangedError
from apomixis_node.rounds import clock_ms
from apomixis_node.state import Node
from apomixis_node.sync import batches, pace, sync
from apomixis_ring.marks import Mark
from apomixis_ring.model import Ring
from apomixis_ring.proof import may_expire

FILE = "verify.json"
ENOUGH = 1000  # ids listed at once
BLOCK = 1024 * 1024
SAVE_EVERY_S = 5.0
log = structlog.get_logger()


@dataclass
class Verifying:
    """The pass that runs, or the last one. Times in seconds since 1970, `bytes` hashed."""

    running: bool = False
    position: int = 0  # the next partition
    started: float = 0.0
    finished: float = 0.0
    files: int = 0
    bytes: int = 0
    bad: int = 0
    mended: int = 0
    expired: int = 0

    def to_json(self) -> dict[str, Any]:
        """For reports and the status page."""
        return {**asdict(self), "partitions": 4096}


def load(data: Path) -> Verifying:
    """Where the last pass was; from the beginning if that can't be read."""
    try:
        found = Verifying(**json.loads((data / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return Verifying()
    found.running = False
    return found


async def run(node: Node) -> None:
    """One pass, from where the last one was broken off."""
    state = node.verifying
    if state.position == 0:
        state.started = time.time()
        state.files = state.bytes = state.bad = state.mended = state.expired = 0
    state.running = True
    try:
        await _walk(node, state)
        await _compare(node)
        await leftovers.clear(node, node.rings.ring)
        state.position, state.finished = 0, time.time()
        log.info("verified", **state.to_json())
    finally:
        state.running = False
        await to_thread.run_sync(_save, node.settings.data, state)


async def _compare(node: Node) -> None:
    """Take over what other owners have and this one lacks: its disk was full, a file got lost."""
    ring = node.rings.ring
    with suppress(RingChangedError):
        await sync(node, (p for p, row in enumerate(ring.current) if node.key in row))


async def _walk(node: Node, state: Verifying) -> None:
    there = await to_thread.run_sync(inventory.present, node.store)
    left = [p for p in there if p >= state.position]
    saved = time.monotonic()
    coming = _listing(node, left)
    while listed := await coming:
        left = left[len(listed) :]
        coming = _listing(node, left)  # beside the hashing
        try:
            await _partitions(node, state, listed)
        except BaseException:
            coming.cancel()
            raise
        state.position = max(listed) + 1
        if time.monotonic() - saved > SAVE_EVERY_S:
            await to_thread.run_sync(_save, node.settings.data, state)
            saved = time.monotonic()


def _listing(node: Node, indexes: list[int]) -> asyncio.Task[dict[int, dict[str, Entry]]]:
    return asyncio.create_task(to_thread.run_sync(_list, node, indexes))


def _save(data: Path, state: Verifying) -> None:
    write_durably(data, data / FILE, json.dumps(asdict(state)).encode())


async def _partitions(node: Node, state: Verifying, listed: dict[int, dict[str, Entry]]) -> None:
    bad = {i for entries in listed.values() for i, e in entries.items() if e.quarantined}
    originals = {
        i: e
        for entries in listed.values()
        for i, e in entries.items()
        if not e.mark.deleted and not e.quarantined
    }
    for batch in batches(list(originals), originals, ENOUGH):
        for image_id in await _hash(node, state, {i: originals[i] for i in batch}):
            if await to_thread.run_sync(node.store.quarantine, image_id):
                state.bad += 1
                node.metrics.quarantined.inc()
                log.error("bad bytes quarantined", id=image_id)
                bad.add(image_id)
    ring = node.rings.ring
    if bad:
        await _mend(node, state, ring, bad)
    for entries in listed.values():
        if any(entry.mark.deleted for entry in entries.values()):
            await _expire(node, state, ring, entries)


def _list(node: Node, indexes: list[int]) -> dict[int, dict[str, Entry]]:
    """The first of these partitions, as many as are enough at once.

    What is left of deleted pictures goes.
    """
    listed: dict[int, dict[str, Entry]] = {}
    ids = 0
    for index in indexes:
        listed[index] = inventory.listing(node.store, index)
        for image_id, entry in listed[index].items():
            if entry.mark.deleted:
                node.store.finish_burial(image_id)
                node.cache.purge(image_id)
        ids += len(listed[index])
        if ids >= ENOUGH:
            break
    return listed


async def _hash(node: Node, state: Verifying, originals: dict[str, Entry]) -> list[str]:
    """Hash a batch again in two threads, no faster than the rate; ids whose bytes are wrong."""
    began = time.monotonic()
    paths = {i: node.store.folder(i[:3]) / f"{i}.{e.extension}" for i, e in originals.items()}
    ids = list(paths)
    halves = ({i: paths[i] for i in ids[0::2]}, {i: paths[i] for i in ids[1::2]})
    wrong = await asyncio.gather(*(to_thread.run_sync(_wrong, half) for half in halves))
    size = sum(entry.length for entry in originals.values())
    state.files += len(originals)
    state.bytes += size
    node.metrics.verified_bytes.inc(size)
    await pace(size, node.settings.verify_rate, began)
    return [image_id for half in wrong for image_id in half]


def _wrong(paths: dict[str, Path]) -> list[str]:
    block = bytearray(BLOCK)
    return [i for i, path in paths.items() if not _hashes_to(path, i, block)]


def _hashes_to(path: Path, image_id: str, block: bytearray) -> bool:
    """Through one block for many files: to make a new one for each costs as much as to hash."""
    digest = hashlib.sha1(usedforsecurity=False)
    try:
        with path.open("rb", buffering=0) as file:
            while size := file.readinto(block):
                digest.update(memoryview(block)[:size])
    except FileNotFoundError:
        return True  # deleted or dropped meanwhile
    except OSError:
        return False
    return digest.hexdigest() == image_id


async def _mend(node: Node, state: Verifying, ring: Ring, bad: set[str]) -> None:
    """Fetch what is bad again from the other owners, where this node is one."""
    indexes = {ring.index(image_id) for image_id in bad}
    try:
        await sync(node, [index for index in indexes if node.key in ring.current[index]])
    except RingChangedError:
        return
    for image_id in bad:
        if await to_thread.run_sync(node.store.bad.mark, image_id) is None:
            state.mended += 1


async def _expire(node: Node, state: Verifying, ring: Ring, entries: dict[str, Entry]) -> None:
    """Forget tombstones that are old enough, once no member has anything older."""
    keep = node.settings.tombstone_ms
    old = {i: e.mark for i, e in entries.items() if e.mark.deleted and _age(e) >= keep}
    if not old or ring.pending is not None:
        return
    held = await leftovers.asked(node, ring, list(ring.members), list(old))
    for image_id, mark in old.items():
        members = {key: found[image_id] for key, found in held.items() if image_id in found}
        age = clock_ms() - mark.stamp
        if may_expire(ring, mark, age, keep, members).reached:
            await _forget(node, ring, image_id, mark)
            state.expired += 1


def _age(entry: Entry) -> int:
    return clock_ms() - entry.mark.stamp


async def _forget(node: Node, ring: Ring, image_id: str, mark: Mark) -> None:
    async with node.rings.writing(ring.epoch):
        await to_thread.run_sync(
            lambda: node.store.unlink(
                image_id, mark, still_allowed=lambda: node.rings.require(ring.epoch)
            )
        )
