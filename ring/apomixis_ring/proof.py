"""What must be known before anything irreversible: a commit, a drop, an expiry, a certain "no".

Every rule is the same thought: an acknowledged write is on W owners, any R = owners - W + 1 of them
include one of those, so R inventories together hold all that was promised.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .marks import Mark, newer
from .model import Ring
from .quorum import Decision, certain


@dataclass(frozen=True, slots=True)
class Proof:
    """A pending owner's statement on one partition, under the ring of `epoch`.

    `asked` are the current owners (itself too, if it is one) whose inventories it heard at that
    epoch; of every id in them it has that mark or a newer one, fsynced.
    """

    epoch: int
    asked: frozenset[str]


def sources_needed(ring: Ring, index: int, lost: Collection[str] = ()) -> int:
    """How many current owners must be asked: R, or all that are not lost where those are fewer.

    `lost` are members whose loss was accepted, once they were fenced.
    """
    left = sum(key not in lost for key in ring.current[index])
    return min(ring.current.read_quorum_of(index), left)


def proved(
    ring: Ring,
    index: int,
    proofs: Mapping[str, Proof],
    reachable: Collection[str],
    lost: Collection[str] = (),
) -> Decision:
    """Whether every pending owner of a changed partition has proved it.

    `proofs` by member key; `reachable` are the members that answered now.
    """
    lacking = unproved(ring, index, proofs, reachable, lost)
    if ring.pending is None or lacking:
        why = f"{', '.join(lacking) or 'Nobody'} has still to prove partition {index}."
        return Decision(False, why)
    return Decision(True, f"All pending owners have proved partition {index}.")


def unproved(
    ring: Ring,
    index: int,
    proofs: Mapping[str, Proof],
    reachable: Collection[str],
    lost: Collection[str] = (),
) -> tuple[str, ...]:
    """The pending owners of a partition whose statement is missing, old, or asked too few.

    At least R current owners must have been asked, and all that can be reached.
    """
    needed = sources_needed(ring, index, lost)
    owners = set(ring.current[index])
    must = {key for key in owners if key in reachable and key not in lost}

    def enough(key: str) -> bool:
        proof = proofs.get(key)
        if proof is None or proof.epoch != ring.epoch:
            return False
        asked = proof.asked & owners
        return len(asked) >= needed and asked >= must

    pending = ring.pending[index] if ring.pending else ()
    return tuple(key for key in pending if not enough(key))


def may_drop(ring: Ring, index: int, me: str, mark: Mark, owners: Mapping[str, Mark]) -> Decision:
    """Whether `me` may drop its copy: it is no owner, and all owners, asked now, hold it.

    `owners` are the marks that owners answered with under this ring's epoch; silence is absence.
    """
    if ring.pending is not None:
        return Decision(False, "Nothing is dropped while a transition is pending.")
    if me in ring.current[index]:
        return Decision(False, "An owner keeps its copy.")
    for key in ring.current[index]:
        if newer(mark, owners.get(key)):
            return Decision(False, f"{key} has not shown that it holds this stamp or a newer one.")
    return Decision(True, "Every owner holds this stamp or a newer one.")


def may_expire(
    ring: Ring, tombstone: Mark, age_ms: int, keep_ms: int, members: Mapping[str, Mark | None]
) -> Decision:
    """Whether a tombstone may be forgotten: old enough, and no member has anything older.

    `members` are the marks that members answered with under this ring's epoch, None for "nothing".
    """
    if ring.pending is not None:
        return Decision(False, "No tombstone expires while a transition is pending.")
    if age_ms < keep_ms:
        return Decision(False, "The tombstone is too young.")
    for member in ring.members:
        if member.key not in members:
            return Decision(False, f"{member.key} did not answer.")
        mark = members[member.key]
        if mark is not None and mark < tombstone:
            return Decision(False, f"{member.key} still has something older.")
    return Decision(True, "Every member holds it, or has nothing older.")


def _others_heard(ring: Ring, index: int, me: str, heard: Collection[str], least: int) -> bool:
    return sum(key in heard and key != me for key in ring.current[index]) >= least


def may_answer(ring: Ring, index: int, me: str, heard: Collection[str]) -> bool:
    """Whether a node that started has heard the tombstones of enough other owners to answer reads.

    A delete is on max(W, R) owners, so the rest, and one more, include one that knows it.
    """
    owners = len(ring.current[index])
    return _others_heard(ring, index, me, heard, owners - certain(ring.current, index))


def caught_up(ring: Ring, index: int, me: str, heard: Collection[str]) -> bool:
    """Whether a node that started or was cut off has synced a partition with enough other owners.

    With itself they are R, where it is an owner; all that was promised is here then.
    """
    needed = ring.current.read_quorum_of(index) - (me in ring.current[index])
    return _others_heard(ring, index, me, heard, needed)
