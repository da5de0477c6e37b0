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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
from anyio import to_thread

from apomixis_node import inventory, leftovers
from apomixis_node.disk import write_durably
from apomixis_node.inventory import Entry, name_of
from apomixis_node.peers import RingChangedError
from apomixis_node.rounds import clock_ms
from apomixis_node.state import Node
from apomixis_node.sync import sync
from apomixis_ring.marks import Mark
from apomixis_ring.model import Ring
from apomixis_ring.proof import may_expire

FILE = "verify.json"
SAVE_EVERY = 16  # partitions
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
        await leftovers.clear(node, node.rings.ring)
        state.position, state.finished = 0, time.time()
        log.info("verified", **state.to_json())
    finally:
        state.running = False
        await to_thread.run_sync(_save, node.settings.data, state)


async def _walk(node: Node, state: Verifying) -> None:
    there = await to_thread.run_sync(inventory.present, node.store)
    for done, index in enumerate(p for p in there if p >= state.position):
        await _partition(node, state, index)
        state.position = index + 1
        if done % SAVE_EVERY == 0:
            await to_thread.run_sync(_save, node.settings.data, state)


def _save(data: Path, state: Verifying) -> None:
    write_durably(data, data / FILE, json.dumps(asdict(state)).encode())


async def _partition(node: Node, state: Verifying, index: int) -> None:
    entries = await to_thread.run_sync(inventory.listing, node.store, index)
    bad = [i for i, e in entries.items() if e.quarantined]
    for image_id, entry in entries.items():
        if entry.mark.deleted:
            await to_thread.run_sync(node.cache.purge, image_id)
        elif not entry.quarantined and not await _is_good(node, state, image_id, entry):
            bad.append(image_id)
    ring = node.rings.ring
    if bad and node.key in ring.current[index % len(ring.current)]:
        await _mend(node, state, index, bad)
    await _expire(node, state, ring, index, entries)


async def _is_good(node: Node, state: Verifying, image_id: str, entry: Entry) -> bool:
    """Re-hash one original, no faster than the rate; a bad one goes to quarantine."""
    began = time.monotonic()
    path = node.store.folder(name_of(int(image_id[:3], 16))) / f"{image_id}.{entry.extension}"
    good = await to_thread.run_sync(_hashes_to, path, image_id)
    state.files += 1
    state.bytes += entry.length
    node.metrics.verified_bytes.inc(entry.length)
    if node.settings.verify_rate:
        spent = time.monotonic() - began
        await asyncio.sleep(max(0.0, entry.length / node.settings.verify_rate - spent))
    if good or not await to_thread.run_sync(node.store.quarantine, image_id):
        return True
    state.bad += 1
    node.metrics.quarantined.inc()
    log.error("bad bytes quarantined", id=image_id)
    return False


def _hashes_to(path: Path, image_id: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha1").hexdigest() == image_id
    except FileNotFoundError:
        return True  # deleted or dropped meanwhile
    except OSError:
        return False


async def _mend(node: Node, state: Verifying, index: int, bad: list[str]) -> None:
    try:
        await sync(node, [index])
    except RingChangedError:
        return
    for image_id in bad:
        if await to_thread.run_sync(node.store.quarantined, image_id) is None:
            state.mended += 1


async def _expire(
    node: Node, state: Verifying, ring: Ring, index: int, entries: dict[str, Entry]
) -> None:
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
