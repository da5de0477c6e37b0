"""Thousands of seeded histories of the protocol: no invariant breaks, and all comes to rest."""

from __future__ import annotations

import pytest

from simulation.history import run

HISTORIES = 2000
TOGETHER = 10  # many tests a file, so that xdist begins with this one


@pytest.mark.parametrize("first", range(0, HISTORIES, TOGETHER))
def test_invariants_I1_to_I9_hold(first: int) -> None:  # noqa: N802
    for seed in range(first, first + TOGETHER):
        failure = run(seed)
        assert failure is None, f"\n{failure}"
