"""Thousands of seeded histories of the protocol: no invariant breaks, and all comes to rest."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from simulation import mutations
from simulation.faults import Scene
from simulation.history import run
from simulation.mutations import MUTATIONS, Mutation

# A traced history takes three times as long, and what it covers others cover too.
pytestmark = pytest.mark.no_cover
HISTORIES = 2000
SCENES = {name: scene for name, scene in vars(mutations).items() if isinstance(scene, Scene)}


@pytest.mark.timeout(600)
def test_invariants_I1_to_I9_hold(monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802
    for name in [n for n in os.environ if n.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        for failure in pool.map(run, range(HISTORIES), chunksize=20):
            assert failure is None, f"\n{failure}"


@pytest.mark.parametrize("name", SCENES)
def test_invariants_hold_in_every_scene(name: str) -> None:
    for seed in range(12):
        failure = run(seed, SCENES[name])
        assert failure is None, f"\n{failure}"


def caught(mutation: Mutation) -> int | None:
    """The first seed that sees it."""
    with mutation.on():
        for seed in range(mutation.first, mutation.first + mutation.within):
            if run(seed, mutation.scene) is not None:
                return seed
    return None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_every_weakening_is_caught(mutation: Mutation) -> None:
    assert caught(mutation) is not None


def test_the_same_seed_is_the_same_history() -> None:
    weakening = MUTATIONS[0]
    with weakening.on():
        failures = [run(seed) for seed in (0, 0)]
    assert str(failures[0]) == str(failures[1])
