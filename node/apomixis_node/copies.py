"""What a store says of an id: an original, a tombstone; and why it refuses one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from apomixis_node.incoming import Incoming
from apomixis_ring.marks import Mark, newer, wins


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

    def damaged(self) -> bool:
        """Whether its bytes are not those of its id any more."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha1").hexdigest() != self.id


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


class Copy(NamedTuple):
    """A file that came from another holder, with the stamp in milliseconds that it has there."""

    incoming: Incoming
    extension: str
    stamp: int


def refuse_older(mark: Mark, known: Mark | None, lost: Mark | None, *, copy: bool) -> None:
    """Raise NewerStamp unless `mark` is to be written over what is known here."""
    newest = max((m for m in (known, lost) if m is not None), default=None)
    mends = lost is not None and known is None and mark == lost
    wanted = newer(mark, newest) or mends if copy else not wins(newest, mark.stamp)
    if not wanted and newest is not None:
        raise NewerStamp(newest.stamp)
