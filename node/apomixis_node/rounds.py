"""Rounds: one write to all owners at once, acknowledged by quorum, the rest afterwards.

A round sends it with one stamp. An owner that knows a stamp that wins (a draw counts) answers with
it, and the request goes round once more above it; acknowledgements count only at the final stamp.
Uploads and deletes differ in what is sent and in the quorum.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_random_exponential

from apomixis_node.errors import ApiError
from apomixis_node.peers import RingChangedError, UnreachableError
from apomixis_node.state import Node
from apomixis_ring.marks import next_stamp
from apomixis_ring.model import Member, Ring
from apomixis_ring.quorum import Decision

ROUNDS = 5
# After the quorum, a healthy third owner is a moment away: the answer waits this long to name it.
GRACE_S = 0.15
LATER_S = 120.0


class Write(Protocol):
    """What is written: to this node, or to another; each tells whether it was new there."""

    image_id: str

    def decide(self, ring: Ring, holders: set[str]) -> Decision:
        """Whether these holders are enough."""

    async def here(self, epoch: int, stamp: int) -> bool:
        """Write it on this node, fsynced. Raises ApiError."""

    async def there(self, member: Member, ring: Ring, stamp: int) -> bool:
        """Have `member` write it. Raises ApiError, UnreachableError, RingChangedError."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write: who acknowledged, in ring order, and whether it was new to any."""

    decision: Decision
    nodes: tuple[str, ...]
    satisfied: bool
    created: bool
    stamp: int


@dataclass
class _Round:
    ring: Ring
    stamp: int
    holders: set[str] = field(default_factory=set)
    created: bool = False
    newer: int = 0
    changed: bool = False
    errors: dict[str, ApiError] = field(default_factory=dict)


async def write_everywhere(node: Node, write: Write, done: Callable[[], None]) -> Outcome:
    """Returns when enough owners of each table hold it, fsynced.

    `done` is called once when nobody needs what is sent any more, maybe long after.
    Raises ApiError: `quorum_not_met` with the number of copies, `collision`, `disk_full`.
    """
    known: list[int] = []
    for _ in range(ROUNDS):
        round_ = _Round(node.rings.ring, next_stamp(clock_ms(), known))
        late = await _go_round(node, round_, write)
        if round_.newer or round_.changed:
            await asyncio.gather(*late, return_exceptions=True)
            known.append(round_.newer)
            continue
        _later(node, late, done)
        return _outcome(round_, write)
    done()
    raise ApiError("quorum_not_met", "The ring or the clock changed meanwhile; send it again.")


def clock_ms() -> int:
    """Now, in milliseconds."""
    return time.time_ns() // 1_000_000


def _outcome(round_: _Round, write: Write) -> Outcome:
    writers = round_.ring.writers(write.image_id)
    decision = write.decide(round_.ring, round_.holders)
    for error in round_.errors.values():
        if error.code == "collision":
            raise error
    if not decision.reached:
        raise _refusal(round_, decision)
    names = tuple(m.name for m in writers if m.key in round_.holders)
    satisfied = len(names) == len(writers)
    return Outcome(decision, names, satisfied, round_.created, round_.stamp)


def _refusal(round_: _Round, decision: Decision) -> ApiError:
    copies = len(round_.holders)
    full = [e for e in round_.errors.values() if e.code == "disk_full"]
    extra: dict[str, object] = {"copies": copies}
    if full and not copies:
        return ApiError("disk_full", full[0].detail, extra)
    why = " ".join(sorted({e.detail for e in round_.errors.values()}))
    detail = f"{decision.why} {copies} copies stand. {why} Sending it again is safe."
    return ApiError("quorum_not_met", detail, extra)


async def _go_round(node: Node, round_: _Round, write: Write) -> list[asyncio.Task[None]]:
    """One round; returns the tasks that still run when it is decided."""
    writers = round_.ring.writers(write.image_id)
    tasks = {asyncio.create_task(_send(node, round_, m, write)) for m in writers}
    deadline = time.monotonic() + node.settings.write_timeout
    pending = tasks
    while pending and not (round_.newer or round_.changed):
        reached = write.decide(round_.ring, round_.holders).reached
        left = GRACE_S if reached else deadline - time.monotonic()
        finished, pending = await asyncio.wait(
            pending, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
        )
        if not finished:
            break
    return list(pending) + _retries(node, round_, write)


def _retries(node: Node, round_: _Round, write: Write) -> list[asyncio.Task[None]]:
    """Owners that did not answer are tried again in the background, for a while.

    A newer ring ends that: what an owner lacks then, it gets by its syncs.
    """
    if round_.newer or round_.changed:
        return []
    writers = round_.ring.writers(write.image_id)
    silent = [m for m in writers if m.key in round_.errors and m.key not in round_.holders]
    again = [m for m in silent if round_.errors[m.key].code == "owners_unreachable"]
    return [asyncio.create_task(_retry(node, round_, m, write)) for m in again]


async def _retry(node: Node, round_: _Round, member: Member, write: Write) -> None:
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(UnreachableError),
        wait=wait_random_exponential(multiplier=0.5, max=15),
        stop=stop_after_delay(LATER_S),
    )
    try:
        async for attempt in attempts:
            if node.rings.epoch != round_.ring.epoch:
                return
            with attempt:
                await write.there(member, round_.ring, round_.stamp)
    except (RetryError, RingChangedError, ApiError):
        return


def _later(node: Node, late: list[asyncio.Task[None]], done: Callable[[], None]) -> None:
    async def finish() -> None:
        try:
            await asyncio.gather(*late, return_exceptions=True)
        finally:
            for task in late:
                task.cancel()
            done()

    if not late or not node.tasks.start(finish(), "replicate"):
        for task in late:
            task.cancel()
        done()


async def _send(node: Node, round_: _Round, member: Member, write: Write) -> None:
    """One owner's part of a round, noted in `round_`; never raises but for cancellation."""
    try:
        if node.is_me(member):
            created = await write.here(round_.ring.epoch, round_.stamp)
        else:
            created = await write.there(member, round_.ring, round_.stamp)
    except UnreachableError as silence:
        round_.errors[member.key] = ApiError("owners_unreachable", str(silence))
    except RingChangedError:
        round_.changed = True
    except ApiError as error:
        _note(round_, member, error)
    else:
        round_.holders.add(member.key)
        round_.created |= created


def _note(round_: _Round, member: Member, error: ApiError) -> None:
    if error.code == "newer_stamp":
        known = (error.extra or {}).get("stamp")
        round_.newer = max(round_.newer, known if isinstance(known, int) else 0)
    elif error.code == "stale_epoch":
        round_.changed = True
    else:
        round_.errors[member.key] = error
