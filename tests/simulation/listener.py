"""What a simulated node answers to its peers and to operators."""

from __future__ import annotations

from apomixis_ring import epochs, marks
from apomixis_ring.transition import Report
from simulation import scrub
from simulation.body import Body
from simulation.engine import OK, REFUSED, Pause, Procedure, Reply, Request, Until


class Listener(Body):
    """The internal listener."""

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

    def on_has(self, request: Request) -> Procedure:
        """A read, answered from here alone."""
        yield Pause()
        said = self.says(request.body["id"])
        return Reply("ok", {"said": said})

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
