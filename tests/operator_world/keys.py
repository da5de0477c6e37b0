"""The keys of the world in memory: who has read which, and whether anybody is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from apomixis_operator.rotate import after

if TYPE_CHECKING:
    from apomixis_operator.actions import RotateSecret
    from apomixis_operator.observed import SecretObject
    from operator_world.world import World


def new_key(world: World) -> str:
    """One that was not there before."""
    world.uids += 1
    return f"key{world.uids}"


def rotated(world: World, before: SecretObject, action: RotateSecret) -> SecretObject:
    """The Secret after a step."""
    return replace(
        before,
        keys=after(before.keys, action.step, new_key(world)),
        resource_version=str(int(before.resource_version) + 1),
        rotated=action.value,
        shows_new=action.step == "use",
        changed=world.now,
    )


def keys_arrive(world: World) -> None:
    """A node reads a changed Secret sooner or later, and shows the key that it knows."""
    for name in world.up:
        if world.secret is not None and world.dice.random() < 0.2:
            world.keys[name] = world.secret.keys
    shown = {name: world.keys[name][0] for name in world.up}
    if world.secret is not None:
        shown["the operator"] = world.secret.keys[0]
    for caller, key in shown.items():
        for name in world.up:
            assert key in world.keys[name], f"{name} refuses {caller}"
