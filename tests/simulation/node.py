"""A simulated node: the real rules of `apomixis_ring`, on a simulated disk and network."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from apomixis_ring import answers, epochs, marks, proof
from apomixis_ring.knowledge import Knowledge
from apomixis_ring.marks import Mark
from apomixis_ring.model import Member, Ring
from apomixis_ring.transition import Report
from simulation import scrub
from simulation.engine import Pause, Procedure, Reply, Request, Until, call

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.disk import Disk
    from simulation.world import World

OK = Reply("ok")
REFUSED = Reply("refused")


class Node:
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

    # ---- life

    def boot(self, *, fresh: bool = False) -> None:
        """Start. `fresh` nodes of a new cluster have nothing to catch up with."""
        self._forget()
        self.alive = True
        self.boots += 1
        self.booted_at = self.world.events
        if fresh and self.ring:
            self.knowledge.began_blank(self.ring)
        self._start_living()

    def _start_living(self) -> None:
        if not self.living:
            self.living = True
            self.world.engine.start(self.name, self._live())

    def crash(self) -> None:
        """End at once."""
        self.alive = False
        self.world.engine.kill(self.name)
        self.disk.crash(self.world.engine.random)
        self._forget()

    def cut_off(self) -> None:
        """It was cut off: what it knows of others is old."""
        self.knowledge.was_cut_off()
        self._start_living()

    def _live(self) -> Procedure:
        """Catch up, again and again, until all is heard."""
        while True:
            yield Pause()
            ring = self.ring
            mine = [] if ring is None else self.knowledge.to_catch_up(ring)
            if not mine:
                self.living = False
                return
            for p in mine:
                yield from self.sync(p)
            for _ in range(5):
                yield Pause()

    def index(self, image_id: str) -> int:
        assert self.ring is not None
        return self.ring.index(image_id)

    def caught_up(self, index: int) -> bool:
        """Its "no" is certain."""
        return self.ring is not None and self.knowledge.caught_up(self.ring, index)

    # ---- being called

    def handle(self, request: Request) -> Procedure:
        """The internal listener."""
        if not epochs.is_meant(self.disk.incarnation, request.meant):
            return Reply("wrong")
        if request.ring is not None:
            heard = epochs.hear(self.ring.epoch if self.ring else 0, request.ring.epoch)
            if heard is epochs.Hearing.CALLER_AHEAD:
                yield from self.adopt(request.ring)
            if self.ring is None or (
                epochs.hear(self.ring.epoch, request.ring.epoch) is epochs.Hearing.CALLER_BEHIND
            ):
                return Reply("stale", {"ring": self.ring})
        reply = yield from getattr(self, f"on_{request.kind}")(request)
        return reply

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

    def on_report(self, request: Request) -> Procedure:
        """What the operator decides from."""
        del request
        yield Pause()
        ring = self.ring
        epoch = ring.epoch if ring else 0
        acknowledged = epoch if epochs.adopted(epoch, self.under_way) else epoch - 1
        unowned = [
            i for i in self.disk.marks if ring and self.key not in ring.current[self.index(i)]
        ]
        retired = self.retired_at == epoch > 0
        report = Report(
            acknowledged, self.disk.blank, dict(self.knowledge.proofs), len(unowned), retired
        )
        return Reply("ok", {"member": self.member, "report": report})

    def on_retire(self, request: Request) -> Procedure:
        """Hand everything over."""
        del request
        yield from scrub.retire(self)
        return OK

    def on_clean(self, request: Request) -> Procedure:
        """Drop what is others'."""
        del request
        for image_id, mark in sorted(self.disk.marks.items()):
            ring = self.ring
            if ring and self.key not in ring.current[ring.index(image_id)]:
                yield from scrub.clear(self, ring, image_id, mark)
        return OK

    def on_drain(self, request: Request) -> Procedure:
        """Retired: from now on this volume is another incarnation, and nobody's member."""
        yield Pause()
        ring = self.ring
        if request.ring is None or ring is None or self.retired_at != ring.epoch:
            return REFUSED
        self.world.check_drain(self)
        self.disk.set_aside(self.world.new_incarnation())
        self._forget()
        return OK

    def on_ring(self, request: Request) -> Procedure:
        yield from self.adopt(request.body["ring"])
        return OK

    def on_put(self, request: Request) -> Procedure:
        """An upload or a delete, with its stamp."""
        image_id, mark = request.body["id"], request.body["mark"]
        ring = request.ring
        assert ring is not None
        if self.key not in {m.key for m in ring.writers(image_id)}:
            return REFUSED
        if epochs.too_late(mark.stamp, self.clock, self.world.keep_ms):
            return REFUSED
        reply = yield from self.write(
            image_id, mark, ring.epoch, lambda known: not marks.wins(known, mark.stamp)
        )
        return reply

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

    def on_has(self, request: Request) -> Procedure:
        """A read, answered from here alone."""
        yield Pause()
        said = self.says(request.body["id"])
        return Reply("ok", {"said": said})

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

    def on_inventory(self, request: Request) -> Procedure:
        """What is here of a partition, behind the barrier of the caller's epoch."""
        assert request.ring is not None
        yield from self._barrier(request.ring.epoch)
        index = request.body["index"]
        found = {i: m for i, m in self.disk.listed().items() if self.index(i) == index}
        return Reply("ok", {"inventory": found})

    def on_fetch(self, request: Request) -> Procedure:
        """The bytes; nothing where they are rotten."""
        yield Pause()
        image_id = request.body["id"]
        mark = self.disk.marks.get(image_id)
        if mark is None or image_id in self.disk.rotten:
            return REFUSED
        return Reply("ok", {"mark": mark})

    def on_mark(self, request: Request) -> Procedure:
        """The mark that is here for good; waits for an fsync under way."""
        image_id = request.body["id"]
        while image_id in self.disk.unsynced:
            yield Until(lambda: image_id not in self.disk.unsynced)
        mark = None if image_id in self.disk.quarantined else self.disk.marks.get(image_id)
        return Reply("ok", {"mark": mark})

    def on_give(self, request: Request) -> Procedure:
        """A copy handed over by one that does not own it."""
        image_id, mark = request.body["id"], request.body["mark"]
        assert request.ring is not None
        if self.key not in {m.key for m in request.ring.owners(image_id)}:
            return REFUSED
        yield from self._copy(image_id, mark, request.ring.epoch)
        return OK

    def _copy(self, image_id: str, mark: Mark, epoch: int) -> Procedure:
        """Keep a copy of what another node has, if it is newer here or repairs what rotted."""
        mark = self.disk.repaired(image_id, mark)

        def wanted(known: Mark | None) -> bool:
            mends = mark == known and image_id in self.disk.quarantined
            return mends or marks.newer(mark, known)

        return (yield from self.write(image_id, mark, epoch, wanted))

    def on_notice(self, request: Request) -> Procedure:
        """A write passed this node over: fetch it."""
        if epochs.too_late(request.body["stamp"], self.clock, self.world.keep_ms):
            return REFUSED
        yield from self.sync(self.index(request.body["id"]))
        return OK

    def on_copy(self, request: Request) -> Procedure:
        """The operator asks for proofs of these partitions."""
        for index in request.body["indexes"]:
            yield from self.sync(index)
        return OK

    # ---- calling others

    def call(self, member: Member, kind: str, **body: object) -> Procedure:
        """A call under this node's epoch; adopts a newer ring that it is told of."""
        request = Request(kind, self.ring, member.incarnation, body)
        if member.key == self.key:
            return (yield from self.handle(request))
        reply = yield from call(member.url.removeprefix("http://"), request)
        if reply is not None and reply.code == "stale" and reply.body["ring"] is not None:
            yield from self.adopt(reply.body["ring"])
        return reply

    def sync(self, index: int) -> Procedure:
        """The one repair primitive: make a partition the union of what its other holders have."""
        ring = self.ring
        assert ring is not None
        keys = dict.fromkeys(ring.current[index] + (ring.pending[index] if ring.pending else ()))
        began = self.world.events
        whole: set[str] = set()
        for key in keys:
            if key == self.key:
                continue
            reply = yield from self.call(ring.member(key), "inventory", index=index)
            if self.ring is not ring:
                return
            if reply is None or reply.code != "ok":
                continue
            if (yield from self._pull(ring, ring.member(key), reply.body["inventory"])):
                whole.add(key)
        if self.ring is ring:
            self.knowledge.synced(ring, index, whole)
            if proof.caught_up(ring, index, self.key, whole):
                self.sure_since[index] = began

    def _pull(self, ring: Ring, source: Member, inventory: dict[str, Mark]) -> Procedure:
        """Take over what a source has and this node lacks; whether all of it is here now."""
        whole = True
        for image_id in marks.lacking(inventory, self.disk.marks, self.disk.quarantined):
            mark = inventory[image_id]
            if not mark.deleted:
                reply = yield from self.call(source, "fetch", id=image_id)
                if reply is None or reply.code != "ok":
                    whole = False
                    continue
                mark = reply.body["mark"]
            wrote = yield from self._copy(image_id, mark, ring.epoch)
            whole = whole and wrote.code in ("ok", "newer")
        return whole and not marks.lacking(inventory, self.disk.marks, self.disk.quarantined)
