"""Placement: which member holds which partition, when the members are these.

`place` is deterministic and optimal in this order: distinct owners, as many zones as possible,
every member's share as its weight says (within one partition of what zones allow), as few copies
moved as possible. Then the owners are put in order: each member is primary of at most
ceil(held / copies) of its partitions, and stays primary where it was, as far as that goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from .exchange import Exchange, Problem
from .model import MAX_REPLICATION, PARTITIONS, Member, RingError, Table
from .primaries import Primaries
from .shares import fair_shares, rounded


def place(
    members: Sequence[Member],
    replication: int,
    previous: Table | None = None,
    *,
    write_quorum: int | None = None,
    partitions: int = PARTITIONS,
) -> Table:
    """The table for `members`; `previous` is the one they come from, W defaults to a majority.

    Raises RingError for members or a replication that can't be placed.
    """
    if not members or len({m.key for m in members}) != len(members):
        raise RingError("Placement needs at least one member, each once.")
    if not 1 <= replication <= MAX_REPLICATION:
        raise RingError(f"replication must be 1 to {MAX_REPLICATION}, not {replication}.")
    ordered = sorted(members, key=lambda m: m.key)
    number = {m.key: i for i, m in enumerate(ordered)}
    zone_names = sorted({m.zone for m in ordered})
    zones = [zone_names.index(m.zone) for m in ordered]
    copies = min(replication, len(ordered))
    before = [
        [number[key] for key in previous[p] if key in number] if previous else []
        for p in range(partitions)
    ]
    held = [0] * len(ordered)
    for row in before:
        for member in row:
            held[member] += 1
    shares = fair_shares([Fraction(m.weight) for m in ordered], zones, copies, partitions)
    wanted = rounded(shares, zones, held).target
    free = [sum(1 << member for member in row) for row in before]
    rows = [_legal_part(row, zones, copies, held, wanted) for row in before]
    Exchange(Problem(copies, zones, wanted, free), rows).solve()
    _order(rows, before, copies, len(ordered))
    keys = tuple(tuple(ordered[i].key for i in row) for row in rows)
    return Table(replication, write_quorum or replication // 2 + 1, keys)


def _legal_part(
    row: list[int], zones: list[int], copies: int, held: list[int], wanted: Sequence[int]
) -> list[int]:
    """The copies that can stay: those of members with the most to lose go first."""
    kept: list[int] = []
    zone_count = max(zones) + 1
    by_need = sorted(row, key=lambda m: (held[m] - wanted[m], m))
    for member in by_need:
        used = {zones[m] for m in kept}
        fresh = zones[member] not in used
        room = copies - len(kept)
        spare = room > max(0, min(copies, zone_count) - len(used))
        if room and (fresh or spare):
            kept.append(member)
    return sorted(kept, key=row.index)


def _order(rows: list[list[int]], before: list[list[int]], copies: int, members: int) -> None:
    """Put the primary first, then those that stay, then the new ones."""
    first = [row[0] if row else None for row in before]
    leaders = Primaries(rows, copies, members).spread(first)
    for p, row in enumerate(rows):
        old = {m: i for i, m in enumerate(before[p])}
        leader = leaders[p]
        row.sort(key=lambda m: (m != leader, old.get(m, len(old)), m))
