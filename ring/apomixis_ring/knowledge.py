"""What a running node knows of its own completeness, by partition. A start forgets all of it.

started ──► answering: enough tombstones heard, reads are answered with a yes
               │
               └──► sure: caught up, a "no" is certain
"""

from __future__ import annotations

from collections.abc import Collection

from .model import Ring
from .proof import Proof, caught_up, may_answer


class Knowledge:
    """Of one node, as a member `me`; asked and told under the ring that the node has adopted."""

    def __init__(self, me: str) -> None:
        self.me = me
        self._heard: dict[int, set[str]] = {}
        self._answering: set[int] = set()
        self._sure: set[int] = set()
        self.proofs: dict[int, Proof] = {}

    def began_blank(self, ring: Ring) -> None:
        """A new cluster's first ring: there is nothing to catch up with."""
        self._sure = set(range(len(ring.current)))

    def adopted(self, before: Ring | None, ring: Ring) -> None:
        """What was proved is certain once it is committed; of what is others' nothing is."""
        committed = before is not None and before.pending == ring.current
        for p, row in enumerate(ring.current):
            proof = self.proofs.get(p)
            if committed and proof is not None and before and proof.epoch == before.epoch:
                self._sure.add(p)
            if self.me not in row:
                self._sure.discard(p)
                self._answering.discard(p)
                self._heard.pop(p, None)
        self.proofs.clear()

    def was_cut_off(self) -> None:
        """What others told is old; reads are answered still, but a "no" is not certain."""
        self._answering |= self._sure
        self._sure.clear()
        self._heard.clear()

    def synced(self, ring: Ring, index: int, whole: Collection[str]) -> None:
        """A sync asked these members, and has all that they have, fsynced, under `ring`."""
        heard = self._heard.setdefault(index, set())
        heard |= set(whole)
        if may_answer(ring, index, self.me, heard):
            self._answering.add(index)
        if caught_up(ring, index, self.me, heard):
            self._sure.add(index)
        if ring.pending is not None and self.me in ring.pending[index]:
            owners = set(ring.current[index])
            asked = frozenset((set(whole) | {self.me}) & owners)
            self.proofs[index] = Proof(ring.epoch, asked)

    def to_catch_up(self, ring: Ring) -> list[int]:
        """The partitions that this node owns and is not sure of."""
        mine = (p for p, row in enumerate(ring.current) if self.me in row)
        return [p for p in mine if p not in self._sure]

    def ready(self, ring: Ring) -> bool:
        """Whether reads of all that this node owns are answered."""
        known = self._sure | self._answering
        return all(p in known for p, row in enumerate(ring.current) if self.me in row)

    def answering(self, ring: Ring, index: int, *, shown: bool) -> bool:
        """Whether a read is answered; `shown`: the answer would be a yes.

        A new owner shows what it has proved; nobody relies on it before the commit.
        """
        if self.me not in ring.current[index]:
            return index in self.proofs or not shown
        return index in self._sure or index in self._answering

    def caught_up(self, ring: Ring, index: int) -> bool:
        """Whether a "no" is certain. Of what it does not own yet, a node has nothing to miss."""
        return index in self._sure or self.me not in ring.current[index]
