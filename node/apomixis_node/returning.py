"""Coming back: a node that starts, or was cut off, syncs what it owns before its "no" counts."""

from __future__ import annotations

import asyncio
import random

import structlog

from apomixis_node.peers import RingChangedError
from apomixis_node.state import Node
from apomixis_node.sync import sync

AGAIN_S = 0.5
REST_S = 60.0
log = structlog.get_logger()


async def run(node: Node) -> None:
    """Catch up whenever there is something to catch up with, until cancelled."""
    while True:
        node.wake.clear()
        ring = node.rings.known
        behind = node.knowledge.to_catch_up(ring) if ring else []
        behind += [index for index in node.wants_sync if index not in behind]
        node.wants_sync.clear()
        if behind:
            await _once(node, behind)
        left = node.knowledge.to_catch_up(ring) if ring else []
        pause = AGAIN_S if left else REST_S
        try:
            jitter = random.uniform(0.7, 1.3)  # noqa: S311
            await asyncio.wait_for(node.wake.wait(), pause * jitter)
        except TimeoutError:
            continue


async def _once(node: Node, behind: list[int]) -> None:
    try:
        await sync(node, behind)
    except RingChangedError:
        node.wake.set()
        return
    except Exception:
        log.exception("catching up failed")
        return
    ring = node.rings.known
    if ring is not None and not node.knowledge.to_catch_up(ring):
        log.info("caught up", epoch=ring.epoch, partitions=len(behind))
