"""What a store says of an id: an original, a tombstone; and why it refuses one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apomixis_ring.marks import Mark


class Collision(Exception):  # noqa: N818
    """Other bytes with this SHA-1 are here already."""


class HashMismatch(Exception):  # noqa: N818
    """The bytes are not those of the id."""


class NewerStamp(Exception):  # noqa: N818
    """A stamp that wins (a draw counts) is known here."""

    def __init__(self, stamp: int) -> None:
        super().__init__(f"stamp {stamp}")
        self.stamp = stamp


@dataclass(frozen=True, slots=True)
class Original:
    """An original on this disk; `stamp` in milliseconds."""

    id: str
    extension: str
    length: int
    stamp: int
    path: Path

    @property
    def mark(self) -> Mark:
        """What it says of its id."""
        return Mark(self.stamp)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The mark that an id was deleted."""

    id: str
    stamp: int

    @property
    def mark(self) -> Mark:
        """What it says of its id."""
        return Mark(self.stamp, deleted=True)


@dataclass(frozen=True, slots=True)
class Kept:
    """`created`: it was not here before."""

    original: Original
    created: bool
