"""From hundreds of starting states, with crashes and stale reads, to the wanted state.

Never through a forbidden one: the invariants that hold at every write are in `world.py`.
"""

from __future__ import annotations

import random
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from apomixis_operator import bootstrap
from apomixis_operator.actions import Plan
from apomixis_operator.observed import Observed
from apomixis_operator.plan import plan
from apomixis_operator.status import status
from apomixis_ring.placement import place
from operator_world.world import NAME, ConflictError, World

ROUNDS = 400
PARTITIONS = 8


@pytest.fixture(autouse=True)
def _small_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "place", partial(place, partitions=PARTITIONS))


def one_round(world: World, seen: Observed, *, crash: bool = False) -> Plan:
    """Plan from what was seen, act up to a crash or a conflict; then the world goes on."""
    planned = plan(seen, "apomixis-system")
    for number, action in enumerate(planned.actions):
        try:
            world.carry_out(action)
        except ConflictError:
            break
        if crash and number == world.dice.randrange(len(planned.actions)):
            break
    world.tick()
    return planned


def settle(world: World, *, crashes: bool = False) -> Plan:
    """Rounds until there is nothing to do; fails when there is no end."""
    before = world.observe()
    for _ in range(ROUNDS):
        seen = world.observe()
        if crashes and world.dice.random() < 0.3:
            # What leads to a write of the ring is read live; the rest may be of a moment ago.
            seen = stale(before, seen)
        before = world.observe()
        planned = one_round(world, seen, crash=crashes and world.dice.random() < 0.5)
        if planned.phase == "Ready" and not planned.actions:
            return planned
    raise AssertionError(f"no end: {planned}\n{world.writes[-40:]}")


def stale(then: Observed, now: Observed) -> Observed:
    """Pods, nodes, Jobs and volumes of a moment ago."""
    values = {**vars(now), "pods": then.pods, "nodes": then.nodes, "jobs": then.jobs}
    return Observed(**{**values, "claims": then.claims})


def members(world: World) -> list[str]:
    assert world.ring is not None
    assert world.ring.ring.pending is None
    return sorted(m.name for m in world.ring.ring.members)


def names(count: int) -> list[str]:
    return sorted(f"{NAME}-{i}" for i in range(count))


def test_a_new_cluster_comes_up() -> None:
    world = World(random.Random(1))
    assert settle(world).sentence == "3 nodes own everything; nothing is to be done."
    assert members(world) == names(3)
    assert len(world.revisions) == 3


@pytest.mark.parametrize("seed", range(150))
def test_any_way_of_scaling_ends_as_wanted(seed: int) -> None:
    """I3, I4, I6 and I7 at every write, with crashes after any action and stale reads."""
    world = World(random.Random(seed))
    world.spec["storage"]["reclaimPolicy"] = {
        "whenDrained": world.dice.choice(("Retain", "Delete"))
    }
    for _ in range(3):
        world.spec["replicas"] = world.dice.choice((3, 4, 5, 6))
        for _ in range(world.dice.randrange(30)):
            one_round(world, world.observe(), crash=world.dice.random() < 0.3)
    settle(world, crashes=True)
    wanted = world.spec["replicas"]
    assert members(world) == names(wanted)
    assert sorted(world.revisions) == names(wanted)


@pytest.mark.parametrize("seed", range(30))
def test_a_lost_volume_is_replaced(seed: int) -> None:
    """I8: its successor is another incarnation; the volume goes only once it owns nothing."""
    world = World(random.Random(seed), spec={"replicas": 4, "storage": {"size": "1Gi"}})
    settle(world)
    lost = world.dice.choice(names(4))
    before = world.volumes[lost].incarnation
    world.up.discard(lost)
    world.annotations["apomixis.io/replace"] = lost
    settle(world, crashes=True)
    assert world.deleted == {before}, "its successor's volume is left alone"
    assert members(world) == names(4)
    assert world.volumes[lost].incarnation != before
    world.annotations.clear()
    settle(world)
    assert members(world) == names(4)


def test_an_image_is_rolled_out_pod_by_pod() -> None:
    world = World(random.Random(3))
    settle(world)
    world.spec["image"] = "apomixis:2"
    old = dict(world.revisions)
    changed_at: dict[int, set[str]] = {}
    for number in range(60):
        planned = one_round(world, world.observe())
        assert len(world.starting) <= 1, "two pods at once"
        new = {name for name, revision in world.revisions.items() if revision != old[name]}
        changed_at[number] = new
        if planned.phase == "Ready" and not planned.actions and len(new) == 3:
            break
    sizes = [len(new) for new in changed_at.values()]
    assert sizes[-1] == 3
    assert all(b - a <= 1 for a, b in pairwise(sizes)), sizes


def test_volumes_ring_and_secret_share_one_fate_also_when_it_changes() -> None:
    world = World(random.Random(4))
    settle(world)
    for policy, owned in (("Delete", True), ("Retain", False)):
        world.spec["storage"]["reclaimPolicy"] = {"whenDeleted": policy}
        settle(world)
        assert world.ring is not None
        assert world.ring.owned == owned
        assert [world.owned[f"data-{name}"] for name in names(3)] == [owned] * 3
        assert world.secret is not None
        assert world.secret.owned == owned


@pytest.mark.parametrize("seed", range(40))
def test_a_secret_is_rotated_without_a_refused_call(seed: int) -> None:
    """The world looks at every moment whether somebody refuses somebody's key."""
    world = World(random.Random(seed))
    settle(world)
    assert world.secret is not None
    (old,) = world.secret.keys
    world.annotations["apomixis.io/rotate-secret"] = "monday"
    for _ in range(world.dice.randrange(20)):
        one_round(world, world.observe(), crash=world.dice.random() < 0.3)
    world.spec["replicas"] = world.dice.choice((3, 4, 5))
    world.annotations["apomixis.io/rotate-secret"] = world.dice.choice(("monday", "tuesday"))
    settle(world, crashes=True)
    settle(world)
    assert len(world.secret.keys) == 1
    assert world.secret.keys != (old,)
    assert world.secret.rotated == world.annotations["apomixis.io/rotate-secret"]
    rest = world.secret
    settle(world)
    assert world.secret == rest, "the same value is carried out once"


def test_a_secret_waits_for_every_node() -> None:
    world = World(random.Random(5))
    settle(world)
    silent = names(3)[1]
    world.up.discard(silent)
    world.annotations["apomixis.io/rotate-secret"] = "now"
    for _ in range(50):
        planned = one_round(world, world.observe())
    assert world.secret is not None
    assert len(world.secret.keys) == 1
    assert silent in planned.sentence


@pytest.mark.parametrize("mended", ["apomixis:1", "apomixis:3"])
@pytest.mark.parametrize("seed", range(10))
def test_a_bad_image_stops_one_pod_until_the_spec_is_mended(seed: int, mended: str) -> None:
    world = World(random.Random(seed), spec={"replicas": 4, "storage": {"size": "1Gi"}})
    world.spec["image"] = "apomixis:1"
    settle(world)
    world.spec["image"] = "apomixis:2"
    for _ in range(60):
        one_round(world, world.observe())
        assert world.stateful_set is not None
        if world.stateful_set.update_revision != world.stateful_set.current_revision:
            world.broken.add(world.stateful_set.update_revision)
        assert len(world.up) >= 3
    assert len(world.up) == 3, "one pod waits"
    world.spec["image"] = mended
    settle(world, crashes=True)
    for _ in range(10):  # pods start
        one_round(world, world.observe())
    assert len(world.up) == 4
    assert len(set(world.revisions.values())) == 1


@pytest.mark.parametrize(
    "change", [{"replicas": 5}, {"paused": True}, {"storage": {"size": "2Gi"}}]
)
def test_i11_at_rest_nothing_is_written(change: dict[str, Any]) -> None:
    world = World(random.Random(4))
    settle(world)
    world.spec |= change
    for _ in range(60):
        one_round(world, world.observe())
    written = len(world.writes)
    for _ in range(5):
        one_round(world, world.observe())
    assert len(world.writes) == written


def test_i10_silence_is_never_progress() -> None:
    """With two of three owners silent nothing is committed; when they are back it goes on."""
    world = World(random.Random(5), spec={"replicas": 4, "storage": {"size": "1Gi"}})
    settle(world)
    world.spec["replicas"] = 3
    silent = {"photos-1", "photos-2"}
    world.up -= silent
    for _ in range(40):
        planned = one_round(world, world.observe())
    assert world.ring is not None
    assert any(m.name == "photos-3" for m in world.ring.ring.members)
    assert planned.blocked
    assert planned.reason == "SourceUnavailable"
    world.up |= silent
    settle(world)
    assert members(world) == names(3)


def test_i12_a_status_that_was_wiped_comes_back() -> None:
    world = World(random.Random(6))
    planned = settle(world)
    seen = world.observe()
    once = status(seen, planned)
    again = status(Observed(**{**vars(seen), "now": seen.now + 60}), planned)
    for found in (once, again):
        for condition in found["conditions"]:
            condition["lastTransitionTime"] = ""
    assert once == again


def test_a_ring_that_was_lost_is_put_back_and_never_begins_anew() -> None:
    world = World(random.Random(7))
    settle(world)
    world.spec["replicas"] = 4
    settle(world)
    epoch = ring_epoch(world)
    world.ring = None
    silent = {"photos-1", "photos-2", "photos-3"}
    world.up -= silent
    planned = one_round(world, world.observe())
    assert (planned.reason, planned.blocked) == ("RingLost", True)
    world.up |= silent
    settle(world)
    assert members(world) == names(4)
    assert ring_epoch(world) >= epoch


def ring_epoch(world: World) -> int:
    return world.ring.ring.epoch if world.ring else 0


def test_a_lost_secret_is_not_made_anew_while_nodes_know_it() -> None:
    world = World(random.Random(8))
    settle(world)
    world.secret = None
    planned = plan(world.observe(), "apomixis-system")
    assert planned.reason == "SecretLost"
    assert "CreateSecret" not in [type(action).__name__ for action in planned.actions]


def test_hibernation_ends_the_pods_and_keeps_the_volumes() -> None:
    world = World(random.Random(9))
    settle(world)
    world.spec["hibernate"] = True
    volumes = {name: volume.incarnation for name, volume in world.volumes.items()}
    for _ in range(10):
        planned = one_round(world, world.observe())
    assert planned.phase == "Hibernated"
    assert not world.revisions
    world.spec["hibernate"] = False
    settle(world)
    assert {name: volume.incarnation for name, volume in world.volumes.items()} == volumes
