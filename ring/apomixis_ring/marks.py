"""Marks: what a node knows of an id, as one stamp and whether it was an upload or a delete.

The newest stamp wins everywhere; at equal stamps the tombstone. So marks have an order, the newer
one is the greater, and to merge what two nodes know is to take the maximum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """An upload, or a delete, of an id; `stamp` in milliseconds."""

    stamp: int
    deleted: bool = False


def wins(known: Mark | None, stamp: int) -> bool:
    """Whether an owner that knows `known` refuses a request with `stamp`; a draw counts."""
    return known is not None and known.stamp >= stamp


def next_stamp(clock: int, known: Iterable[int]) -> int:
    """The stamp of a request: not below the clock, above every stamp that owners answered with."""
    return max(clock, max(known, default=-1) + 1)


def newer(found: Mark, known: Mark | None) -> bool:
    """Whether a sync takes over what a source has."""
    return known is None or found > known


def lacking(
    source: Mapping[str, Mark], mine: Mapping[str, Mark], quarantined: Mapping[str, Mark]
) -> tuple[str, ...]:
    """The ids of a source's inventory of which this node has neither that mark nor a newer one.

    What is in quarantine lacks its bytes, but not the knowledge of an upload: a source's older
    tombstone does not undo it.
    """

    def lacks(image_id: str, mark: Mark) -> bool:
        lost = quarantined.get(image_id)
        undone = mark.deleted and lost is not None and lost > mark
        return newer(mark, mine.get(image_id)) and not undone

    return tuple(sorted(i for i, mark in source.items() if lacks(i, mark)))


def digest(inventory: Mapping[str, Mark]) -> str:
    """The digest of a partition: equal for equal inventories. "" for an empty one."""
    if not inventory:
        return ""
    text = "".join(f"{i} {m.stamp} {m.deleted:d}\n" for i, m in sorted(inventory.items()))
    return hashlib.sha256(text.encode()).hexdigest()
