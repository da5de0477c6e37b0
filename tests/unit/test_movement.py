"""Placement moves as few copies as any table could: an integer program is asked on small rings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from apomixis_ring.model import Member, Table
from apomixis_ring.placement import place
from rings import clusters, held, moved

PARTITIONS = 8


def optimum(before: Table, cluster: list[Member], shares: Mapping[str, int], copies: int) -> int:
    """The fewest moves to any table with distinct owners, as many zones, and these shares.

    The unknowns are one 0 or 1 for each pair of partition and member.
    """
    count = len(cluster)
    size = PARTITIONS * count
    kept = np.array([m.key in row for row in before for m in cluster], dtype=float)
    zones = sorted({m.zone for m in cluster})
    rows: list[np.ndarray] = []
    low: list[float] = []
    high: list[float] = []

    def require(where: np.ndarray, least: float, most: float) -> None:
        rows.append(where)
        low.append(least)
        high.append(most)

    for i, m in enumerate(cluster):
        column = np.zeros(size)
        column[i::count] = 1
        require(column, shares[m.key], shares[m.key])
    for p in range(PARTITIONS):
        row = np.zeros(size)
        row[p * count : (p + 1) * count] = 1
        require(row, copies, copies)
        for zone in zones:
            inside = np.zeros(size)
            for i, m in enumerate(cluster):
                inside[p * count + i] = m.zone == zone
            most = 1 if len(zones) >= copies else copies
            least = 0 if len(zones) >= copies else 1
            require(inside, least, most)
    found = milp(
        -kept,
        constraints=LinearConstraint(np.array(rows), low, high),
        bounds=Bounds(0, 1),
        integrality=np.ones(size),
    )
    assert found.success, found.message
    most_kept: int = round(-found.fun)
    return PARTITIONS * copies - most_kept


@settings(max_examples=120, deadline=None)
@given(clusters, clusters, clusters, st.integers(1, 4))
def test_no_table_with_these_shares_moves_less(
    first: list[Member], second: list[Member], third: list[Member], replication: int
) -> None:
    before = place(first, replication, partitions=PARTITIONS)
    before = place(second, replication, before, partitions=PARTITIONS)
    after = place(third, replication, before, partitions=PARTITIONS)
    copies = min(replication, len(third))
    assert moved(before, after) == optimum(before, third, held(after), copies)


def test_the_program_can_say_no() -> None:
    """The check itself: a table that moves more than it must is told from one that doesn't."""
    a = [Member(f"n{i}", "i", "u") for i in range(3)]
    before = place(a, 1, partitions=PARTITIONS)
    rotated = Table(1, 1, (*before.rows[1:], before.rows[0]))
    assert moved(before, rotated) > optimum(before, a, held(rotated), 1) == 0
