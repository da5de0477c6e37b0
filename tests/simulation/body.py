"""The body of a simulated node: its disk, its clock, its barrier, and how it writes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from apomixis_ring import answers, epochs, marks
from apomixis_ring.knowledge import Knowledge
from apomixis_ring.marks import Mark
from apomixis_ring.model import Member, Ring
from simulation.engine import OK, Procedure, Reply, Until

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.disk import Disk
    from simulation.world import World


class Body:
    """One node at an address. What it keeps over a crash is in `disk`, the rest is lost."""

    def __init__(self, name: str, zone: str, disk: Disk, world: World) -> None:
        self.name, self.zone, self.disk, self.world = name, zone, disk, world
        self.skew = 0
        self.alive = False
        self.boots = 0
        self.booted_at = 0
        self._forget()

    def _forget(self) -> None:
        self.under_way: Counter[int] = Counter()
        self.knowledge = Knowledge(self.key)
        self.sure_since: dict[int, int] = {}  # the event of the last whole sync
        self.living = False
        self.retired_at = 0

    @property
    def key(self) -> str:
        return f"{self.name}@{self.disk.incarnation}"

    @property
    def member(self) -> Member:
        return Member(self.name, self.disk.incarnation, f"http://{self.name}", self.zone)

    @property
    def clock(self) -> int:
        return self.world.engine.now + self.skew

    @property
    def ring(self) -> Ring | None:
        return self.disk.ring

    def _start_living(self) -> None:
        if not self.living:
            self.living = True
            self.world.engine.start(self.name, self._live())

    def index(self, image_id: str) -> int:
        assert self.ring is not None
        return self.ring.index(image_id)

    def caught_up(self, index: int) -> bool:
        """Its "no" is certain."""
        return self.ring is not None and self.knowledge.caught_up(self.ring, index)

    # ---- calling others

    def _live(self) -> Procedure:
        raise NotImplementedError

    def sync(self, index: int) -> Procedure:
        """The one repair primitive."""
        raise NotImplementedError

    def call(self, member: Member, kind: str, **body: object) -> Procedure:
        """A call under this node's epoch."""
        raise NotImplementedError

    def adopt(self, ring: Ring) -> Procedure:
        """Keep a newer ring; done when nothing begun under an older one can still happen."""
        if self.ring is None or ring.epoch > self.ring.epoch:
            self._take(ring)
        yield from self._barrier(ring.epoch)

    def _take(self, ring: Ring) -> None:
        """What was proved is certain once it is committed; of what is others' nothing is."""
        before, self.disk.ring = self.ring, ring
        self.knowledge.adopted(before, ring)
        if self.key in ring:
            self.disk.seen, self.disk.blank = self.clock, False
        self._start_living()

    def _barrier(self, epoch: int) -> Procedure:
        while not epochs.adopted(epoch, self.under_way):
            yield Until(lambda: epochs.adopted(epoch, self.under_way))

    def write(
        self, image_id: str, mark: Mark, epoch: int, wanted: Callable[[Mark | None], bool]
    ) -> Procedure:
        """Write under an epoch, which is looked at again right before the rename."""
        self.under_way[epoch] += 1
        try:
            yield from self.world.dawdle()
            known = self.disk.known(image_id)
            if not wanted(known):
                return Reply("newer", {"stamp": known.stamp if known else 0})
            if self.ring is None or not epochs.may_finish(epoch, self.ring.epoch):
                return Reply("stale", {"ring": self.ring})
            self.disk.write(image_id, mark)
            yield from self.world.dawdle()
            self.disk.fsync(image_id)
            return OK
        finally:
            self.under_way[epoch] -= 1

    def _copy(self, image_id: str, mark: Mark, epoch: int) -> Procedure:
        """Keep a copy of what another node has, if it is newer here or repairs what rotted."""
        mark = self.disk.repaired(image_id, mark)

        def wanted(known: Mark | None) -> bool:
            mends = mark == known and image_id in self.disk.quarantined
            return mends or marks.newer(mark, known)

        return (yield from self.write(image_id, mark, epoch, wanted))

    def says(self, image_id: str) -> answers.Heard:
        """This node's own answer."""
        index = self.index(image_id)
        mark = self.disk.marks.get(image_id)
        shown = mark is not None and not mark.deleted
        ring = self.ring
        assert ring is not None
        said = answers.answer(
            mark,
            ready=self.knowledge.answering(ring, index, shown=shown),
            caught_up=self.knowledge.caught_up(ring, index),
            quarantined=image_id in self.disk.quarantined,
        )
        return said, mark
