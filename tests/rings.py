"""Members, rings and histories for the tests of the ring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st

from apomixis_ring.model import Member, Ring, Table
from apomixis_ring.placement import place


def member(name: str, zone: str = "", weight: float = 1.0, incarnation: str = "i1") -> Member:
    """A member at an address made of its name."""
    return Member(name, incarnation, f"http://{name}:8081", zone, weight)


def members(count: int, zones: int = 3, step: float = 0.0) -> list[Member]:
    """`count` members dealt to `zones` zones; weights 1, 1 + step, … repeating after seven."""
    return [member(f"node-{i}", f"z{i % zones}", 1 + (i % 7) * step) for i in range(count)]


def ring(
    count: int = 3,
    replication: int = 3,
    write_quorum: int = 2,
    *,
    epoch: int = 1,
    pending: Sequence[Member] | None = None,
    partitions: int = 16,
) -> Ring:
    """A ring with few partitions; `pending` are the members that a transition is moving to."""
    owners = members(count)
    table = place(owners, replication, write_quorum=write_quorum, partitions=partitions)
    if pending is None:
        return Ring("test", epoch, tuple(owners), table)
    then = place(pending, replication, table, write_quorum=write_quorum, partitions=partitions)
    everybody = {m.key: m for m in (*owners, *pending)}
    return Ring("test", epoch, tuple(everybody.values()), table, then)


def held(table: Table) -> Counter[str]:
    """Copies of each member."""
    return Counter(key for row in table for key in row)


def moved(before: Table, after: Table) -> int:
    """Copies that a member has to fetch."""
    return sum(len(set(new) - set(old)) for old, new in zip(before, after, strict=True))


def lower_bound(before: Table, after: Table) -> int:
    """What every member holds too much now, and what those that are gone held."""
    now = held(after)
    return sum(max(0, count - now[key]) for key, count in held(before).items())


def fair(cluster: Sequence[Member], copies: int, partitions: int) -> dict[str, float]:
    """The fairest shares that zones allow: a level found by bisection, in floats."""
    zone_names = {m.zone for m in cluster}
    zone_weight = {z: sum(m.weight for m in cluster if m.zone == z) for z in zone_names}

    def shares(level: float) -> dict[str, float]:
        found = {m.key: min(partitions, level * m.weight) for m in cluster}
        for zone in zone_names:
            inside = [m for m in cluster if m.zone == zone]
            total = sum(found[m.key] for m in inside)
            at_bound = total > partitions if len(zone_names) >= copies else total < partitions
            if at_bound:
                found |= {m.key: partitions * m.weight / zone_weight[zone] for m in inside}
        return found

    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        if sum(shares(middle).values()) < copies * partitions:
            low = middle
        else:
            high = middle
    return shares(high)


weights = st.sampled_from((0.5, 1.0, 1.0, 1.0, 2.0, 3.0, 7.5))
clusters = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 3), weights),
    min_size=1,
    max_size=7,
    unique_by=lambda m: m[0],
).map(lambda found: [member(f"node-{i}", f"z{zone}", weight) for i, zone, weight in found])
