"""What clients do through a simulated node: upload, delete, read; and what they may be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apomixis_ring import answers, marks, quorum
from apomixis_ring.marks import Mark
from apomixis_ring.quorum import Answer, Verdict
from simulation.engine import AnyOf, Procedure, Reply, Request, Send, Ticket
from simulation.world import Ack, Record, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from apomixis_ring.model import Member, Ring
    from apomixis_ring.quorum import Decision
    from simulation.node import Node

ROUNDS = 4


def upload(node: Node, image_id: str) -> Procedure:
    """POST: acknowledged by W owners of each table."""
    return _write(node, image_id, deleted=False)


def delete(node: Node, image_id: str) -> Procedure:
    """DELETE: acknowledged by max(W, R) owners of each table."""
    return _write(node, image_id, deleted=True)


def _write(node: Node, image_id: str, *, deleted: bool) -> Procedure:
    world = node.world
    record = world.records.setdefault(image_id, Record())
    decide = quorum.deleted if deleted else quorum.acknowledged
    known: list[int] = []
    for _ in range(ROUNDS):
        ring = node.ring
        if ring is None:
            return False
        mark = Mark(marks.next_stamp(node.clock, known), deleted)
        (record.tried_deletes if deleted else record.tried_uploads).append(mark.stamp)
        went = yield from _round(node, ring, image_id, mark, decide)
        if went == "reached":
            ack = Ack(mark.stamp, ring.epoch, world.events)
            (record.deletes if deleted else record.uploads).append(ack)
            world.note(f"{node.name} acknowledges {image_id} {mark} at epoch {ring.epoch}")
            return True
        if isinstance(went, int):
            known.append(went)
        elif went != "again":
            return False
    return False


def _round(
    node: Node,
    ring: Ring,
    image_id: str,
    mark: Mark,
    decide: Callable[[Ring, str, Collection[str]], Decision],
) -> Procedure:
    """One stamp to all writers: "reached", "again", a stamp to go above, or "short"."""
    tickets: dict[str, Ticket] = {}
    for member in ring.writers(image_id):
        tickets[member.key] = yield from _ask(node, ring, member, image_id, mark)
    holders: set[str] = set()
    waiting = list(tickets.values())
    result: str | int = "short"
    while any(not t.taken for t in waiting):
        ticket: Ticket = yield AnyOf(waiting)
        key = next(k for k, t in tickets.items() if t is ticket)
        reply = ticket.reply
        if reply is not None and reply.code == "ok":
            holders.add(key)
        elif reply is not None and reply.code == "newer":
            result = reply.body["stamp"]
            break
        elif reply is not None and reply.code == "stale":
            if reply.body["ring"] is not None:
                yield from node.adopt(reply.body["ring"])
            result = "again"
            break
        if decide(ring, image_id, holders).reached:
            result = "reached"
            break
    if result == "reached":
        yield from _tell_the_rest(ring, tickets, holders, image_id, mark)
    return result


def _ask(node: Node, ring: Ring, member: Member, image_id: str, mark: Mark) -> Procedure:
    request = Request("put", ring, member.incarnation, {"id": image_id, "mark": mark})
    if member.key != node.key:
        ticket = yield Send(member.name, request)
        return ticket
    mine = Ticket(node.name)

    def settle(reply: Reply | None) -> None:
        mine.settled, mine.reply = True, reply

    node.world.engine.start(node.name, node.handle(request), then=settle)
    return mine


def _tell_the_rest(
    ring: Ring, tickets: dict[str, Ticket], holders: set[str], image_id: str, mark: Mark
) -> Procedure:
    """An owner that the write passed over is told as soon as it answers."""
    for key in tickets:
        if key not in holders:
            member = ring.member(key)
            body = {"id": image_id, "stamp": mark.stamp}
            yield Send(member.name, Request("notice", ring, member.incarnation, body))


def read(node: Node, image_id: str) -> Procedure:
    """GET: the first reader's "yes", else what the quorum allows to say; checked at once."""
    world = node.world
    began, interference = world.events, world.engine.interference
    promised = world.records.get(image_id, Record()).promised()
    could = _could_answer(node, image_id, promised)
    since = node.sure_since.get(node.index(image_id), -1) if node.ring else -1
    owner = node.ring is not None and node.key in {m.key for m in node.ring.owners(image_id)}
    mine = node.disk.marks.get(image_id)
    for _ in range(ROUNDS):
        ring = node.ring
        if ring is None:
            return None
        verdict, stamp, source = yield from _pass(node, ring, image_id)
        if node.ring is ring:
            break
    else:
        return None
    still = could & _could_answer(node, image_id, promised)
    calm = interference == world.engine.interference and node.ring is ring
    world.note(f"{node.name} reads {image_id}: {verdict.value}")
    _check_read(node, image_id, verdict, promised, reachable=bool(still) and calm)
    if verdict is Verdict.FOUND:
        _check_deleted(node, image_id, stamp, mine, began, since=since if owner else -1)
        _check_source(node, image_id, stamp, source, began)
    return verdict


def _pass(node: Node, ring: Ring, image_id: str) -> Procedure:
    heard: dict[str, answers.Heard] = {}
    mine = node.disk.marks.get(image_id)
    for member in ring.readers(image_id):
        if member.key == node.key:
            said = node.says(image_id)
        else:
            reply = yield from node.call(member, "has", id=image_id)
            if node.ring is not ring:
                return Verdict.UNCERTAIN, 0, ""
            if reply is None or reply.code != "ok":
                continue
            said = reply.body["said"]
        heard[member.key] = said
        mark = said[1]
        if answers.weighed(heard, mine)[member.key] is Answer.YES and mark is not None:
            return Verdict.FOUND, mark.stamp, member.key
    return quorum.read(ring, image_id, answers.weighed(heard, mine)).verdict, 0, ""


def _could_answer(node: Node, image_id: str, promised: Ack | None) -> set[str]:
    """Owners in the node's ring that hold it, are reachable from it, and answer reads."""
    found: set[str] = set()
    if node.ring is None or promised is None:
        return found
    for member in node.ring.readers(image_id):
        holder = node.world.by_key(member.key)
        if holder is None or not holder.alive or holder.ring is not node.ring:
            continue
        said, mark = holder.says(image_id)
        linked = holder is node or node.world.engine.connected(node.name, holder.name)
        if linked and said is Answer.YES and mark and mark.stamp >= promised.stamp:
            found.add(f"{member.key} {holder.boots}")
    return found


def _check_read(
    node: Node, image_id: str, verdict: Verdict, promised: Ack | None, *, reachable: bool
) -> None:
    record = node.world.records.get(image_id, Record())
    undone = promised and any(stamp >= promised.stamp for stamp in record.tried_deletes)
    if promised is None or undone or node.world.forgiven(image_id):
        return
    if verdict in (Verdict.ABSENT, Verdict.DELETED):
        raise Violation(f"I5: {node.name} says {verdict.value} of {image_id}, which was promised")
    if verdict is Verdict.UNCERTAIN and reachable:
        raise Violation(f"I5: {node.name} can't read {image_id}, which an owner in reach holds")


def _check_deleted(
    node: Node, image_id: str, stamp: int, mine: Mark | None, began: int, *, since: int
) -> None:
    """I9: no 200 from a node that has the tombstone, or was caught up since the delete."""
    if mine is not None and mine.deleted and mine.stamp >= stamp:
        raise Violation(f"I9: {node.name} serves {image_id} over its own tombstone")
    record = node.world.records.get(image_id, Record())
    known = [a for a in record.deletes if a.at < since <= began and a.stamp >= stamp]
    if known:
        raise Violation(f"I9: {node.name} serves {image_id}, and caught up since it was deleted")


def _check_source(node: Node, image_id: str, stamp: int, source: str, began: int) -> None:
    """I9: who answered has not started since the delete, or it would have heard the tombstone."""
    holder = node.world.by_key(source)
    record = node.world.records.get(image_id, Record())
    if node.world.lost:
        return  # a tombstone may have been lost with its disks
    for ack in record.deletes:
        if holder and ack.at < holder.booted_at <= began and ack.stamp >= stamp:
            raise Violation(f"I9: {source} started after {image_id} was deleted, and shows it")
