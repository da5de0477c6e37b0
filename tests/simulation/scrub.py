"""What a simulated node does with what it should not have: verify, retire, clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apomixis_ring import epochs, marks, proof
from simulation.engine import Pause, Procedure, Until

if TYPE_CHECKING:
    from apomixis_ring.marks import Mark
    from apomixis_ring.model import Ring
    from simulation.body import Body


def verify(node: Body) -> Procedure:
    """One pass: quarantine what is rotten, fetch it again, hand over, drop, expire."""
    for image_id in sorted(node.disk.rotten):
        mark = node.disk.marks.get(image_id)
        if mark is not None and image_id in node.disk.rotten:
            node.disk.unlink(image_id)
            node.disk.quarantined[image_id] = mark
        yield Pause()
    if node.ring is not None:
        for index in range(len(node.ring.current)):
            if node.key in node.ring.current[index]:
                yield from node.sync(index)
    for image_id in sorted(node.disk.marks):
        yield from _one(node, image_id)
        yield Pause()


def _one(node: Body, image_id: str) -> Procedure:
    mark, ring = node.disk.marks.get(image_id), node.ring
    if mark is None or ring is None:
        return
    if node.key not in ring.current[ring.index(image_id)]:
        yield from clear(node, ring, image_id, mark)
    elif mark.deleted:
        yield from _expire(node, ring, image_id, mark)


def _asked(node: Body, ring: Ring, keys: tuple[str, ...], image_id: str) -> Procedure:
    """The marks that these members have for good, asked now under this ring's epoch."""
    found: dict[str, Mark | None] = {}
    for key in keys:
        reply = yield from node.call(ring.member(key), "mark", id=image_id)
        if node.ring is not ring:
            return {}
        if reply is not None and reply.code == "ok":
            found[key] = reply.body["mark"]
    return found


def clear(node: Body, ring: Ring, image_id: str, mark: Mark) -> Procedure:
    """A copy that this node does not own: to those owners that lack it, then dropped on proof.

    Returns whether all owners have it.
    """
    index = ring.index(image_id)
    found = yield from _asked(node, ring, ring.current[index], image_id)
    for key, known in list(found.items()):
        if marks.newer(mark, known):
            reply = yield from node.call(ring.member(key), "give", id=image_id, mark=mark)
            if node.ring is not ring or reply is None:
                return False
    found = yield from _asked(node, ring, ring.current[index], image_id)
    held = {key: known for key, known in found.items() if known is not None}
    yield from _drop(node, ring, index, image_id, mark, held)
    return all(not marks.newer(mark, held.get(key)) for key in ring.current[index])


def _drop(
    node: Body, ring: Ring, index: int, image_id: str, mark: Mark, held: dict[str, Mark]
) -> Procedure:
    if not proof.may_drop(ring, index, node.key, mark, held).reached:
        return
    node.under_way[ring.epoch] += 1
    try:
        yield from node.world.dawdle()
        here = node.ring
        assert here is not None
        allowed = epochs.may_unlink(here, ring.epoch, index, node.key)
        if allowed and node.disk.marks.get(image_id) == mark:
            node.world.dropped(node, ring, image_id, mark)
            node.disk.unlink(image_id)
    finally:
        node.under_way[ring.epoch] -= 1


def _expire(node: Body, ring: Ring, image_id: str, mark: Mark) -> Procedure:
    found = yield from _asked(node, ring, tuple(m.key for m in ring.members), image_id)
    age = node.clock - mark.stamp
    if not proof.may_expire(ring, mark, age, node.world.keep_ms, found).reached:
        return
    if node.ring is ring and node.disk.marks.get(image_id) == mark:
        node.world.expired(node, image_id, mark)
        node.disk.unlink(image_id)


def retire(node: Body) -> Procedure:
    """A leaving node hands over whatever its owners lack, and then says so.

    One that was away too long has nothing to say: what it holds may have been deleted meanwhile.
    """
    ring = node.ring
    if ring is None or node.key in ring:
        return
    done = True
    if epochs.too_late(node.disk.seen, node.clock, node.world.keep_ms):
        node.world.note(f"{node.name} was away too long to hand anything over")
        node.retired_at = ring.epoch
        return
    for image_id in sorted(node.disk.marks):
        mark = node.disk.marks.get(image_id)
        if mark is not None:
            done = (yield from clear(node, ring, image_id, mark)) and done
    if done and node.ring is ring:
        node.retired_at = ring.epoch
    yield Until(lambda: True)
