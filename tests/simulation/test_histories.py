"""Thousands of seeded histories of the protocol: no invariant breaks, and all comes to rest."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from simulation.history import run

# A traced history takes three times as long, and what it covers others cover too.
pytestmark = pytest.mark.no_cover
HISTORIES = 2000


@pytest.mark.timeout(900)
def test_invariants_I1_to_I9_hold() -> None:  # noqa: N802
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        for failure in pool.map(run, range(HISTORIES), chunksize=20):
            assert failure is None, f"\n{failure}"
