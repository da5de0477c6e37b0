"""The ring: which members must hold every original of a partition, as a table with an epoch.

    id = SHA-1 of the bytes           3f9c…e1
                                      │││
    partition = first three digits    0x3f9 = 1017
                                       │
    current[1017] ─► (node-2@…, node-0@…, node-1@…)   owners in order of preference;
                      │                               the first is the primary, which renders
    pending[1017] ─► None, or the owners that a transition is moving to

Only values here: a ring never changes; a new one has the next epoch.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PARTITIONS = 4096
MAX_REPLICATION = 7
NOBODY = 0xFFFF  # fills a row that has fewer owners than `replication`
_IMAGE_ID = re.compile(r"[0-9a-f]{40}")


class RingError(ValueError):
    """A ring that is not one; the text says what is wrong with it."""


def partition(image_id: str) -> int:
    """The partition (0…4095) of an image id: its first three hex digits."""
    return int(image_id[:3], 16)


def is_image_id(text: str) -> bool:
    """Whether `text` is a lowercase hex SHA-1, 40 characters."""
    return _IMAGE_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Member:
    """A node as the ring knows it. `url` is its internal address; `weight` its share."""

    name: str
    incarnation: str
    url: str
    zone: str = ""
    weight: float = 1.0

    @property
    def key(self) -> str:
        """`name@incarnation`: the same name on a blank volume is another member."""
        return f"{self.name}@{self.incarnation}"


def name_of(key: str) -> str:
    """The name in a member's key."""
    return key.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Table:
    """Partition → owners (member keys, in order of preference), with its quorums."""

    replication: int
    write_quorum: int
    rows: tuple[tuple[str, ...], ...]

    def __getitem__(self, index: int) -> tuple[str, ...]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self.rows)

    def write_quorum_of(self, index: int) -> int:
        """W of a partition: min(write_quorum, owners)."""
        return min(self.write_quorum, len(self.rows[index]))

    def read_quorum_of(self, index: int) -> int:
        """R of a partition: owners - W + 1. Any R owners include one of any W."""
        return len(self.rows[index]) - self.write_quorum_of(index) + 1


@dataclass(frozen=True, slots=True)
class Ring:
    """The members and the table at one epoch; `pending` is set while a transition runs."""

    cluster: str
    epoch: int
    members: tuple[Member, ...]
    current: Table
    pending: Table | None = None
    _by_key: dict[str, Member] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_key", {m.key: m for m in self.members})
        validate(self)

    def member(self, key: str) -> Member:
        """The member with that `name@incarnation`; KeyError if the ring has none."""
        return self._by_key[key]

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def index(self, image_id: str) -> int:
        """The partition of an image in this ring, which in a simulation has fewer than 4096."""
        return partition(image_id) % len(self.current)

    def owners(self, image_id: str) -> tuple[Member, ...]:
        """The current owners of an image, the primary first."""
        return tuple(self._by_key[k] for k in self.current[self.index(image_id)])

    def readers(self, image_id: str) -> tuple[Member, ...]:
        """Whom a read asks, in order: current owners, then pending owners."""
        index = self.index(image_id)
        keys = self.current[index] + (self.pending[index] if self.pending else ())
        return tuple(self._by_key[k] for k in dict.fromkeys(keys))

    def writers(self, image_id: str) -> tuple[Member, ...]:
        """Whom a write goes to: current owners, then pending owners that are not current."""
        return self.readers(image_id)

    def to_json(self) -> dict[str, Any]:
        """A JSON object: tables as base64 of zlib of big-endian uint16 indexes into `members`."""
        order = {m.key: i for i, m in enumerate(self.members)}
        return {
            "cluster": self.cluster,
            "epoch": self.epoch,
            "replication": self.current.replication,
            "writeQuorum": self.current.write_quorum,
            "members": [
                {
                    "name": m.name,
                    "incarnation": m.incarnation,
                    "url": m.url,
                    "zone": m.zone,
                    "weight": m.weight,
                }
                for m in self.members
            ],
            "current": _pack(self.current, order),
            "pending": None
            if self.pending is None
            else {
                "replication": self.pending.replication,
                "writeQuorum": self.pending.write_quorum,
                "table": _pack(self.pending, order),
            },
        }

    def dumps(self) -> str:
        """The ring as compact JSON text, equal for equal rings."""
        return json.dumps(self.to_json(), separators=(",", ":"), sort_keys=True)


def validate(ring: Ring) -> None:
    """What every ring must be; raises RingError with the first thing that is wrong."""
    if ring.epoch < 1:
        raise RingError(f"The epoch must be 1 or more, not {ring.epoch}.")
    if not ring.members or len(ring.members) >= NOBODY:
        raise RingError(f"A ring has 1 to {NOBODY - 1} members, not {len(ring.members)}.")
    if len({m.key for m in ring.members}) != len(ring.members):
        raise RingError("Two members have the same name and incarnation.")
    for member in ring.members:
        if not member.name or not member.incarnation:
            raise RingError("Every member needs a name and an incarnation.")
        if not (math.isfinite(member.weight) and member.weight > 0):
            raise RingError(f"The weight of {member.name} must be above 0, not {member.weight}.")
    keys = {m.key for m in ring.members}
    _validate_table("current", ring.current, keys)
    if ring.pending is not None:
        _validate_table("pending", ring.pending, keys)
        if len(ring.pending) != len(ring.current):
            raise RingError("current and pending must have the same partitions.")


def _validate_table(where: str, table: Table, keys: set[str]) -> None:
    if not 1 <= table.replication <= MAX_REPLICATION:
        raise RingError(f"{where}: replication must be 1 to {MAX_REPLICATION}.")
    if not 1 <= table.write_quorum <= table.replication:
        raise RingError(f"{where}: the write quorum must be 1 to {table.replication}.")
    if not 1 <= len(table) <= PARTITIONS or PARTITIONS % len(table):
        raise RingError(f"{where}: there must be {PARTITIONS} partitions, not {len(table)}.")
    width = len(table[0])
    if not 1 <= width <= table.replication:
        raise RingError(f"{where}: a partition has 1 to {table.replication} owners, not {width}.")
    for index, row in enumerate(table):
        if len(row) != width:
            raise RingError(f"{where}: partition {index} has {len(row)} owners, others {width}.")
        if len(set(row)) != width:
            raise RingError(f"{where}: partition {index} names an owner twice.")
        if not keys.issuperset(row):
            raise RingError(f"{where}: partition {index} has an owner that is no member.")


def _pack(table: Table, order: dict[str, int]) -> str:
    cells: list[int] = []
    for row in table.rows:
        cells += [order[key] for key in row]
        cells += [NOBODY] * (table.replication - len(row))
    raw = struct.pack(f">{len(cells)}H", *cells)
    return base64.b64encode(zlib.compress(raw, 9)).decode()
