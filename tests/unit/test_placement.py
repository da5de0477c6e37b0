"""Placement keeps its four promises over random clusters, weights, zones and histories."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apomixis_ring.model import Member, RingError, Table
from apomixis_ring.placement import place
from rings import clusters, fair, held, lower_bound, member, members, moved

PARTITIONS = 24
histories = st.lists(clusters, min_size=1, max_size=3)


def after(history: list[list[Member]], replication: int, partitions: int = PARTITIONS) -> Table:
    table: Table | None = None
    for cluster in history:
        table = place(cluster, replication, table, partitions=partitions)
    assert table is not None
    return table


@settings(max_examples=150, deadline=None)
@given(histories, st.integers(1, 4))
def test_distinct_owners_zones_shares_and_primaries(
    history: list[list[Member]], replication: int
) -> None:
    table = after(history, replication)
    cluster = history[-1]
    zone_of = {m.key: m.zone for m in cluster}
    copies = min(replication, len(cluster))
    zones = min(copies, len(set(zone_of.values())))
    for row in table:
        assert len(set(row)) == len(row) == copies
        assert len({zone_of[key] for key in row}) == zones
    counts = held(table)
    for key, share in fair(cluster, copies, PARTITIONS).items():
        assert abs(counts[key] - share) < 1 + 1e-6
    primaries = {key: sum(row[0] == key for row in table) for key in zone_of}
    for key, count in primaries.items():
        assert counts[key] // copies <= count <= -(-counts[key] // copies)


@settings(max_examples=60, deadline=None)
@given(histories, st.integers(1, 4))
def test_the_same_members_again_move_nothing(history: list[list[Member]], replication: int) -> None:
    table = after(history, replication)
    assert place(history[-1], replication, table, partitions=PARTITIONS) == table


@settings(max_examples=30, deadline=None)
@given(histories, st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(
    history: list[list[Member]], replication: int, dice: random.Random
) -> None:
    shuffled = [dice.sample(cluster, len(cluster)) for cluster in history]
    assert after(shuffled, replication) == after(history, replication)


PROGRAM = """
from apomixis_ring.model import Member
from apomixis_ring.placement import place
one = [Member(f"n{i}", "i", "u", f"z{i % 3}", 1 + i % 2) for i in range(7)]
a = place(one, 3)
b = place(one[1:] + [Member("n9", "i", "u", "z1")], 3, a)
print(hash(0), a.rows[::97], b.rows[::97])
"""


def test_hash_seeds_do_not_matter() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(said) == 1


CHANGES = [
    (members(3), members(5)),
    (members(5), members(3)),
    (members(5), members(4)),
    (members(10), members(11)),
    (members(50, step=0.5), members(45, step=0.5)),
    (members(100), members(101)),
    (members(6, zones=1), members(7, zones=1)),
    (members(6), [*members(5), member("node-5", "z2", 4.0)]),
    (members(6), [*members(5), member("node-5", "z2", incarnation="i2")]),
]


@pytest.mark.parametrize(("before", "then"), CHANGES)
def test_a_whole_ring_moves_the_least(before: list[Member], then: list[Member]) -> None:
    one = place(before, 3)
    two = place(then, 3, one)
    assert moved(one, two) <= 1.01 * lower_bound(one, two)


def test_primaries_stay_where_they_were_as_far_as_that_goes() -> None:
    one = place(members(10), 3)
    two = place(members(11), 3, one)
    stayed = sum(a[0] == b[0] for a, b in zip(one, two, strict=True))
    assert stayed >= 4096 * 0.85


def test_what_cannot_be_placed_is_said() -> None:
    for wrong in ([], [member("a"), member("a")]):
        with pytest.raises(RingError, match="at least one member, each once"):
            place(wrong, 3)
    for replication in (0, 8):
        with pytest.raises(RingError, match="replication must be 1 to 7"):
            place([member("a")], replication)
