"""Copies that this node does not own: handed to owners that lack them, dropped on proof.

Each copy is dropped only when all its owners, asked now, hold that stamp or a newer one; and right
before the unlink the ring must still be the one of the proofs, with nothing pending.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing

from anyio import to_thread

from apomixis_node import inventory
from apomixis_node.delete import bury_there
from apomixis_node.errors import ApiError
from apomixis_node.inventory import Entry
from apomixis_node.originals import read_file
from apomixis_node.peers import EXTENSION, STAMP, RingChangedError, UnreachableError
from apomixis_node.state import Node
from apomixis_ring.epochs import may_unlink
from apomixis_ring.marks import Mark, newer
from apomixis_ring.model import Member, Ring
from apomixis_ring.proof import may_drop

ASK = 500
Marks = dict[str, Mark | None]


def partitions(node: Node, ring: Ring) -> list[int]:
    """Partitions of which something is here that this node does not own."""
    owned = {p for p, row in enumerate(ring.current) if node.key in row}
    if ring.pending is not None:
        owned |= {p for p, row in enumerate(ring.pending) if node.key in row}
    return [p for p in inventory.present(node.store) if p not in owned]


def count(node: Node, ring: Ring) -> int:
    """Copies and tombstones here that this node does not own."""
    return sum(len(inventory.listing(node.store, p)) for p in partitions(node, ring))


async def clear(node: Node, ring: Ring) -> bool:
    """Hand over and drop what is others'; whether every owner has all of it.

    Raises RingChangedError.
    """
    done = True
    for index in await to_thread.run_sync(partitions, node, ring):
        done = await _partition(node, ring, index) and done
    return done


async def _partition(node: Node, ring: Ring, index: int) -> bool:
    entries = await to_thread.run_sync(inventory.listing, node.store, index)
    good = {i: e for i, e in entries.items() if not e.quarantined}
    ids = sorted(good)
    done = True
    for start in range(0, len(ids), ASK):
        part = {i: good[i] for i in ids[start : start + ASK]}
        owners = [ring.member(key) for key in ring.current[index]]
        held = await asked(node, ring, owners, list(part))
        for member in owners:
            await _hand_over(node, ring, member, part, held.get(member.key))
        held = await asked(node, ring, owners, list(part))
        for image_id, entry in part.items():
            done = await _drop(node, ring, index, image_id, entry, held) and done
    return done


async def asked(node: Node, ring: Ring, members: list[Member], ids: list[str]) -> dict[str, Marks]:
    """The marks that members hold for good, asked now; one that is silent is left out."""

    async def ask(member: Member) -> tuple[str, Marks] | None:
        if node.is_me(member):
            here = {i: await to_thread.run_sync(node.store.mark, i) for i in ids}
            return member.key, here
        try:
            body = "\n".join(ids).encode()
            answer = await node.peers.call(member, "POST", "/marks", ring=ring, content=body)
        except (UnreachableError, ApiError):
            return None
        found = {i: Mark(m[0], bool(m[1])) if m else None for i, m in answer.json().items()}
        return member.key, found

    answers = await asyncio.gather(*map(ask, members))
    return dict(answer for answer in answers if answer is not None)


async def _hand_over(
    node: Node, ring: Ring, member: Member, part: dict[str, Entry], known: Marks | None
) -> None:
    """Give an owner what it lacks; silence and refusals leave it lacking."""
    if known is None:
        return
    for image_id, entry in part.items():
        if not newer(entry.mark, known.get(image_id)):
            continue
        try:
            await _give(node, ring, member, image_id, entry)
        except (UnreachableError, ApiError, OSError):
            continue


async def _give(node: Node, ring: Ring, member: Member, image_id: str, entry: Entry) -> None:
    if entry.mark.deleted:
        await bury_there(node, member, ring, image_id, entry.mark.stamp, copy=True)
        return
    path = node.store.folder(image_id[:3]) / f"{image_id}.{entry.extension}"
    descriptor = await to_thread.run_sync(os.open, path, os.O_RDONLY)
    async with aclosing(read_file(descriptor, 0, entry.length)) as body:
        headers = {
            "Content-Length": str(entry.length),
            STAMP: str(entry.mark.stamp),
            EXTENSION: entry.extension,
        }
        await node.peers.call(
            member, "PUT", f"/copies/{image_id}", ring=ring, content=body, headers=headers
        )


async def _drop(
    node: Node, ring: Ring, index: int, image_id: str, entry: Entry, held: dict[str, Marks]
) -> bool:
    """Drop one copy if its owners have proved theirs; whether they have."""
    proofs = {key: m for key, found in held.items() if (m := found.get(image_id)) is not None}
    if any(newer(entry.mark, proofs.get(key)) for key in ring.current[index]):
        return False
    if not may_drop(ring, index, node.key, entry.mark, proofs).reached:
        return True

    def still_allowed() -> None:
        if not may_unlink(node.rings.ring, ring.epoch, index, node.key):
            raise RingChangedError

    async with node.rings.writing(ring.epoch):
        await to_thread.run_sync(
            lambda: node.store.unlink(image_id, entry.mark, still_allowed=still_allowed)
        )
    node.metrics.dropped.inc()
    return True
