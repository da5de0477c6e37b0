"""A simulated operator: it looks, asks `transition.step`, does one thing, and forgets all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apomixis_ring import transition
from apomixis_ring.transition import Phase, Report, Step, Wanted
from simulation.engine import Pause, Procedure, Request, call

if TYPE_CHECKING:
    from apomixis_ring.model import Member, Ring
    from simulation.world import World


def operate(world: World, name: str) -> Procedure:
    """Run until killed. Several may run at once."""
    while True:
        yield Pause()
        yield from once(world, name)


def once(world: World, name: str) -> Procedure:
    """One look, one step; returns it."""
    ring = world.register
    replication, quorum = world.replication, world.write_quorum
    names = list(world.wanted_names)
    members: dict[str, Member] = {}
    reports: dict[str, Report] = {}
    for address in list(world.nodes):
        reply = yield from call(address, Request("report"))
        if reply is not None and reply.code == "ok":
            member = reply.body["member"]
            members[address] = member
            reports[member.key] = reply.body["report"]
    wanted = _wanted(ring, names, members, replication, quorum)
    if wanted is None:
        return None
    step = transition.step(
        ring,
        wanted,
        reports,
        world.accepted_loss,
    )
    yield Pause()
    if step.swap is not None:
        if world.swap(ring.epoch, step.swap):
            world.note(f"{name}: {step.phase.value}: {step.why}")
    else:
        yield from _carry_out(world, ring, step, reports, members)
    return step


def _wanted(
    ring: Ring, names: list[str], members: dict[str, Member], replication: int, quorum: int
) -> Wanted | None:
    """The members that should be there; None while a new one has not said who it is."""
    known = {m.name: m for m in ring.members} | members
    if any(name not in known for name in names):
        return None
    return Wanted(tuple(known[name] for name in names), replication, quorum)


def _carry_out(
    world: World,
    ring: Ring,
    step: Step,
    reports: dict[str, Report],
    members: dict[str, Member],
) -> Procedure:
    by_key = {m.key: m for m in members.values()}
    for key, report in reports.items():
        if report.epoch < ring.epoch:
            yield from call(
                by_key[key].name,
                Request("ring", meant=by_key[key].incarnation, body={"ring": ring}),
            )
    for key in step.members:
        if key not in by_key:
            continue
        body: dict[str, object] = {}
        if step.phase is Phase.COPY:
            assert ring.pending is not None
            moving = transition.changed(ring)
            body = {"indexes": [p for p in moving if key in ring.pending[p]]}
        kind = {Phase.COPY: "copy", Phase.RETIRE: "retire", Phase.CLEAN: "clean"}.get(step.phase)
        if kind:
            yield from call(by_key[key].name, Request(kind, ring, by_key[key].incarnation, body))
    if step.phase is Phase.STABLE:
        yield from _let_go(world, ring, reports, by_key)


def _let_go(
    world: World, ring: Ring, reports: dict[str, Report], by_key: dict[str, Member]
) -> Procedure:
    """Drain and stop what has left: from then on it is nobody's member."""
    for key, report in reports.items():
        if key in ring or not report.retired:
            continue
        name = by_key[key].name
        reply = yield from call(name, Request("drain", ring, by_key[key].incarnation))
        if reply is not None and reply.code == "ok" and name not in world.wanted_names:
            world.remove(name)
