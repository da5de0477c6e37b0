"""The checks can see: every weakening of a rule is caught, and without one none complains."""

from __future__ import annotations

import pytest

from simulation import mutations
from simulation.faults import Scene
from simulation.history import run
from simulation.mutations import MUTATIONS, Mutation

SCENES = {name: scene for name, scene in vars(mutations).items() if isinstance(scene, Scene)}


@pytest.mark.timeout(600)
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
