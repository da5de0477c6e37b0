"""The write path: an original to every owner at once, acknowledged by quorum, the rest afterwards.

A round sends it with one stamp. An owner that knows a stamp that wins (a draw counts) answers with
it, and the request goes round once more above it; acknowledgements count only at the final stamp.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from anyio import to_thread
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_random_exponential

from apomixis_node.disk import DiskFailed, DiskFull
from apomixis_node.errors import ApiError
from apomixis_node.originals import read_file
from apomixis_node.peers import EXTENSION, STAMP, RingChangedError, UnreachableError
from apomixis_node.state import Node
from apomixis_node.store import Collision, HashMismatch, Incoming, NewerStamp
from apomixis_ring.model import Member, Ring
from apomixis_ring.quorum import Decision, acknowledged

ROUNDS = 5
# After the quorum, a healthy third owner is a moment away: the answer waits this long to name it.
GRACE_S = 0.15
LATER_S = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an upload: who acknowledged, in ring order, and whether it was new to any."""

    decision: Decision
    nodes: tuple[str, ...]
    satisfied: bool
    created: bool


@dataclass
class _Round:
    ring: Ring
    stamp: int
    holders: set[str] = field(default_factory=set)
    created: bool = False
    newer: int = 0
    changed: bool = False
    errors: dict[str, ApiError] = field(default_factory=dict)


async def replicate(
    node: Node, incoming: Incoming, extension: str, done: Callable[[], None]
) -> Outcome:
    """Send `incoming` to all writers; returns when W of each table hold it, fsynced.

    `done` is called once when nobody needs the incoming file any more, maybe long after.
    Raises ApiError: `quorum_not_met` with the number of copies, `collision`, `disk_full`.
    """
    stamp = time.time_ns() // 1_000_000
    for _ in range(ROUNDS):
        round_ = _Round(node.rings.ring, stamp)
        late = await _go_round(node, round_, incoming, extension)
        if round_.newer or round_.changed:
            await asyncio.gather(*late, return_exceptions=True)
            stamp = max(stamp, round_.newer + 1)
            continue
        _later(node, late, done)
        return _outcome(round_, incoming)
    done()
    raise ApiError("quorum_not_met", "The ring or the clock changed meanwhile; send it again.")


def _outcome(round_: _Round, incoming: Incoming) -> Outcome:
    writers = round_.ring.writers(incoming.digest)
    decision = acknowledged(round_.ring, incoming.digest, round_.holders)
    for error in round_.errors.values():
        if error.code == "collision":
            raise error
    if not decision.reached:
        raise _refusal(round_, decision)
    names = tuple(m.name for m in writers if m.key in round_.holders)
    satisfied = len(names) == len(writers)
    return Outcome(decision, names, satisfied, round_.created)


def _refusal(round_: _Round, decision: Decision) -> ApiError:
    copies = len(round_.holders)
    full = [e for e in round_.errors.values() if e.code == "disk_full"]
    extra: dict[str, object] = {"copies": copies}
    if full and not copies:
        return ApiError("disk_full", full[0].detail, extra)
    why = " ".join(sorted({e.detail for e in round_.errors.values()}))
    detail = f"{decision.why} {copies} copies stand. {why} Sending it again is safe."
    return ApiError("quorum_not_met", detail, extra)


async def _go_round(
    node: Node, round_: _Round, incoming: Incoming, extension: str
) -> list[asyncio.Task[None]]:
    """One round; returns the tasks that still run when it is decided."""
    image_id = incoming.digest
    writers = round_.ring.writers(image_id)
    tasks = {asyncio.create_task(_send(node, round_, m, incoming, extension)) for m in writers}
    deadline = time.monotonic() + node.settings.write_timeout
    pending = tasks
    while pending and not (round_.newer or round_.changed):
        reached = acknowledged(round_.ring, image_id, round_.holders).reached
        left = GRACE_S if reached else deadline - time.monotonic()
        finished, pending = await asyncio.wait(
            pending, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
        )
        if not finished:
            break
    return list(pending) + _retries(node, round_, incoming, extension)


def _retries(
    node: Node, round_: _Round, incoming: Incoming, extension: str
) -> list[asyncio.Task[None]]:
    """Owners that did not answer are tried again in the background, for a while."""
    if round_.newer or round_.changed:
        return []
    writers = round_.ring.writers(incoming.digest)
    silent = [m for m in writers if m.key in round_.errors and m.key not in round_.holders]
    again = [m for m in silent if round_.errors[m.key].code == "owners_unreachable"]
    return [asyncio.create_task(_retry(node, round_, m, incoming, extension)) for m in again]


async def _retry(
    node: Node, round_: _Round, member: Member, incoming: Incoming, extension: str
) -> None:
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(UnreachableError),
        wait=wait_random_exponential(multiplier=0.5, max=15),
        stop=stop_after_delay(LATER_S),
    )
    try:
        async for attempt in attempts:
            with attempt:
                await _put(node, round_, member, incoming, extension)
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


async def _send(
    node: Node, round_: _Round, member: Member, incoming: Incoming, extension: str
) -> None:
    """One owner's part of a round, noted in `round_`; never raises but for cancellation."""
    try:
        if node.is_me(member):
            created = await put_here(node, round_.ring.epoch, incoming, extension, round_.stamp)
        else:
            created = await _put(node, round_, member, incoming, extension)
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


async def _put(
    node: Node, round_: _Round, member: Member, incoming: Incoming, extension: str
) -> bool:
    async with aclosing(read_file(incoming.reopen(), 0, incoming.length)) as body:
        answer = await node.peers.call(
            member,
            "PUT",
            f"/originals/{incoming.digest}",
            ring=round_.ring,
            content=body,
            headers={
                "Content-Length": str(incoming.length),
                STAMP: str(round_.stamp),
                EXTENSION: extension,
            },
        )
    return answer.status_code == 201


async def put_here(node: Node, epoch: int, incoming: Incoming, extension: str, stamp: int) -> bool:
    """Keep an original on this node under `epoch`; True if it was not there. Raises ApiError."""

    def keep() -> bool:
        kept = node.store.keep(
            incoming,
            incoming.digest,
            extension,
            stamp,
            still_allowed=lambda: node.rings.require(epoch),
        )
        return kept.created

    async with node.rings.writing(epoch):
        try:
            return await to_thread.run_sync(keep)
        except NewerStamp as newer:
            detail = f"The image has the stamp {newer.stamp} here; send it with a newer one."
            raise ApiError("newer_stamp", detail, {"stamp": newer.stamp}) from None
        except Collision:
            detail = "Other bytes with the same SHA-1 are kept already; this picture can't be."
            raise ApiError("collision", detail) from None
        except HashMismatch:
            raise ApiError(
                "hash_mismatch", "The bytes are not those of the id; send it again."
            ) from None
        except DiskFull as full:
            raise disk_full(node, full) from None
        except DiskFailed as failed:
            raise ApiError(
                "not_ready", f"The disk of {node.identity.name} fails: {failed}"
            ) from None


def disk_full(node: Node, full: Exception) -> ApiError:
    """507, naming the node whose disk it is."""
    detail = f"The disk of {node.identity.name} is full ({full}); grow its volume or delete images."
    return ApiError("disk_full", detail)
