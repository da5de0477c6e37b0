"""A simulated node: the real rules of `apomixis_ring`, on a simulated disk and network."""

from __future__ import annotations

from apomixis_ring import marks, proof
from apomixis_ring.marks import Mark
from apomixis_ring.model import Member, Ring
from simulation.engine import Pause, Procedure, Request, call
from simulation.listener import Listener


class Node(Listener):
    """One node at an address. What it keeps over a crash is in `disk`, the rest is lost."""

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
