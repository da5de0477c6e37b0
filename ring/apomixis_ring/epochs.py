"""Epochs and incarnations: which calls a node hears, and when it has adopted a ring.

Adopting is a barrier: a node acknowledges an epoch, or lists its inventory for a caller of that
epoch, only when it keeps the ring and whatever it began under an older one is finished or refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from .model import Ring


class Hearing(Enum):
    """What a node makes of a call's epoch."""

    SAME = "same"  # answer it
    CALLER_BEHIND = "caller behind"  # refuse it with the newer ring
    CALLER_AHEAD = "caller ahead"  # adopt the newer ring first


def hear(here: int, called: int) -> Hearing:
    """Compare the epoch of this node with that of a call."""
    if called == here:
        return Hearing.SAME
    return Hearing.CALLER_BEHIND if called < here else Hearing.CALLER_AHEAD


def is_meant(incarnation: str, meant: str | None) -> bool:
    """Whether a call is for this volume: addresses are reused, incarnations never."""
    return meant is None or meant == incarnation


def may_finish(begun: int, now: int) -> bool:
    """Whether a write or a drop begun under one epoch may still happen, right before its rename."""
    return begun == now


def adopted(epoch: int, under_way: Mapping[int, int]) -> bool:
    """Whether an epoch may be acknowledged; `under_way` counts writes and drops by their epoch."""
    return not any(count for begun, count in under_way.items() if begun < epoch)


def may_unlink(ring: Ring, begun: int, index: int, me: str) -> bool:
    """Right before a leftover is unlinked: same epoch as the proofs, no `pending`, not an owner."""
    return ring.epoch == begun and ring.pending is None and me not in ring.current[index]


def too_late(stamp: int, clock: int, keep_ms: int) -> bool:
    """Whether a retried write or a notice is so old that a tombstone may have come and gone.

    `keep_ms` is how long tombstones are kept; half of it leaves room for clocks that differ.
    """
    return clock - stamp > keep_ms // 2
