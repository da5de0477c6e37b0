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
    _order(rows, before, copies)
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


def _order(rows: list[list[int]], before: list[list[int]], copies: int) -> None:
    """Put the primary first, then those that stay, then the new ones.

    A bipartite matching with capacities, by augmenting paths; it exists, for giving every member
    1/copies of each of its partitions is a fractional one.
    """
    held: dict[int, int] = {}
    for row in rows:
        for member in row:
            held[member] = held.get(member, 0) + 1
    room = {member: -(-count // copies) for member, count in held.items()}
    leads: dict[int, set[int]] = {member: set() for member in held}
    for p, row in enumerate(rows):
        first = next((m for m in before[p] if m in row), None)
        if first is not None and first == before[p][0] and len(leads[first]) < room[first]:
            leads[first].add(p)
    placed = {p for taken in leads.values() for p in taken}
    for p in range(len(rows)):
        if p not in placed:
            _lead(p, rows, leads, room)
    primary = {p: member for member, taken in leads.items() for p in taken}
    for p, row in enumerate(rows):
        old = {m: i for i, m in enumerate(before[p])}
        row.sort(key=lambda m: (m != primary[p], old.get(m, len(old)), m))


def _lead(p: int, rows: list[list[int]], leads: dict[int, set[int]], room: dict[int, int]) -> None:
    """Give partition p a primary, moving others' primaries along a shortest chain if need be."""
    came: dict[int, tuple[int, int | None]] = {}
    frontier = [(m, p, None) for m in sorted(rows[p], key=lambda m: len(leads[m]) - room[m])]
    chain: list[tuple[int, int, int | None]] = list(frontier)
    for member, through, parent in chain:
        if member in came:
            continue
        came[member] = (through, parent)
        if len(leads[member]) < room[member]:
            taker: int | None = member
            while taker is not None:
                moved, giver = came[taker]
                if giver is not None:
                    leads[giver].remove(moved)
                leads[taker].add(moved)
                taker = giver
            return
        chain += [(m, q, member) for q in sorted(leads[member]) for m in rows[q] if m not in came]
    raise ValueError("No order of owners spreads the primaries.")
