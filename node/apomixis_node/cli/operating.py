"""The operator's part in `apomixis up`: look, ask `transition.step`, do one thing, look again.

It keeps nothing between two looks but the ring on disk, so that it may be ended anywhere. There is
one `up` a folder, by a lock, so that keeping a ring is its compare-and-swap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apomixis_node.cli.terminal import say
from apomixis_node.cli.volumes import wanted_names
from apomixis_ring import transition
from apomixis_ring.transition import Phase, Report, Step, Wanted

if TYPE_CHECKING:
    from apomixis_node.cli.folder import Folder
    from apomixis_node.cli.introduction import Introduction
    from apomixis_ring.model import Member, Ring

BUSY_S = 0.3
REST_S = 1.0
ASKED = {Phase.RETIRE: "retire", Phase.CLEAN: "clean"}


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: members by name, as they say themselves, and their reports by key."""

    members: dict[str, Member]
    reports: dict[str, Report]

    def by_key(self) -> dict[str, Member]:
        """The members that answered, by key."""
        return {member.key: member for member in self.members.values()}


class Teller:
    """Says what the operator does, once per change and not too often."""

    def __init__(self) -> None:
        self._last: tuple[Phase, int] | None = None
        self._at = 0.0

    def tell(self, step: Step) -> None:
        """One line where the phase changed, or a copy made progress."""
        tenth = 10 * step.done // step.total if step.total else 0
        if (step.phase, tenth) == self._last:
            return
        first = self._last is None and step.phase is Phase.STABLE
        self._last = step.phase, tenth
        if not first:
            say(f"{step.phase.value}: {step.why}", "yellow" if step.phase is Phase.BLOCKED else "")


class Operator:
    """Takes the ring of one folder from epoch to epoch."""

    def __init__(
        self, folder: Folder, talk: Introduction, urls: Callable[[], list[str]], teller: Teller
    ) -> None:
        """`urls` are the internal addresses of all running nodes."""
        self._folder, self._talk, self._urls, self._teller = folder, talk, urls, teller
        self.at_rest = False

    async def look(self) -> Look:
        """Ask every node for its report."""
        answers = await asyncio.gather(*(self._talk.report(url) for url in self._urls()))
        found = [answer for answer in answers if answer is not None]
        members = {member.name: member for member, _ in found}
        return Look(members, {member.key: report for member, report in found})

    async def once(self) -> list[str]:
        """One look and one step; names of nodes that have left and are to be stopped."""
        ring = self._folder.ring()
        look = await self.look()
        aim = self._folder.wanted()
        wanted = wanted_members(ring, aim, look) if ring else None
        self.at_rest = False
        if ring is None or wanted is None:
            return []
        lost = given_up(aim)
        step = transition.step(ring, wanted, look.reports, lost)
        self._teller.tell(step)
        if step.swap is not None:
            self._folder.keep_ring(step.swap)
            ring = step.swap
        await self._publish(ring, look)
        if step.swap is None:
            await self._carry_out(ring, step, look)
        self.at_rest = step.phase is Phase.STABLE
        return await self._part(ring, aim, look) if self.at_rest else []

    async def _publish(self, ring: Ring, look: Look) -> None:
        behind = [m for m in look.members.values() if look.reports[m.key].epoch < ring.epoch]
        await asyncio.gather(*(self._talk.offer_ring(member, ring) for member in behind))

    async def _carry_out(self, ring: Ring, step: Step, look: Look) -> None:
        there = look.by_key()
        for key in step.members:
            if key not in there:
                continue
            if step.phase is Phase.COPY:
                await self._talk.ask(there[key], ring, "copy", to_prove(ring, key))
            elif step.phase in ASKED:
                await self._talk.ask(there[key], ring, ASKED[step.phase])

    async def _part(self, ring: Ring, aim: dict[str, object], look: Look) -> list[str]:
        """Nodes that have left and retired set aside what they hold; those not wanted end."""
        names = set(wanted_names(aim))
        ended = []
        for key, member in look.by_key().items():
            report = look.reports[key]
            gone = report.blank or (report.retired and await self._talk.ask(member, ring, "drain"))
            if key not in ring and gone and member.name not in names:
                ended.append(member.name)
        return ended


def to_prove(ring: Ring, key: str) -> list[int]:
    """The changed partitions that a member is a pending owner of."""
    if ring.pending is None:
        return []
    return [p for p in transition.changed(ring) if key in ring.pending[p]]


def given_up(wanted: dict[str, object]) -> set[str]:
    """Members to be replaced, by key: their loss is accepted, and they are fenced, for `up` runs
    no node on their volumes any more."""
    replaced = wanted.get("replaced")
    return set(replaced) if isinstance(replaced, list) else set()


def wanted_members(ring: Ring, wanted: dict[str, object], look: Look) -> Wanted | None:
    """The members that are wanted; None while a new one has not said who it is.

    A blank volume under a known name is not taken for that member, unless it is to be replaced.
    """
    count = wanted.get("nodes")
    gone = given_up(wanted)
    if not isinstance(count, int):
        return None
    known = {m.name: m for m in ring.members if m.key not in gone}
    fresh = {name: m for name, m in look.members.items() if m.key not in gone}
    members = []
    for i in range(count):
        name = f"node-{i}"
        old, new = known.get(name), fresh.get(name)
        member = new if old is None or (new is not None and new.key == old.key) else old
        if member is None:
            return None
        members.append(member)
    replication, quorum = wanted.get("replication"), wanted.get("write_quorum")
    return Wanted(
        tuple(members),
        replication if isinstance(replication, int) else ring.current.replication,
        quorum if isinstance(quorum, int) else ring.current.write_quorum,
    )
