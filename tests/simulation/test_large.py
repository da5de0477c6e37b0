"""The design at a size that no test machine has: 1,000 members, 100,000 ids, a tenth more and less.

Every copy is moved as the protocol says, by id; what is reported is movement, steps, and how many
rounds of gossip the news of the new ring takes.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import defaultdict

import pytest

from apomixis_ring.model import Ring
from apomixis_ring.placement import place
from apomixis_ring.proof import Proof
from apomixis_ring.transition import Phase, Report, Wanted, changed, step
from rings import lower_bound, members, moved

pytestmark = pytest.mark.timeout(300)
IDS = 100_000
COPIES = 3


class Large:
    """Who holds which partitions, and the ring; everything asked for is done at once."""

    def __init__(self, count: int) -> None:
        people = members(count)
        self.ring = Ring("large", 1, tuple(people), place(people, COPIES, write_quorum=2))
        self.holds: dict[int, set[str]] = {p: set(row) for p, row in enumerate(self.ring.current)}
        self.ids: dict[int, int] = defaultdict(int)
        for i in range(IDS):
            image_id = hashlib.sha1(str(i).encode(), usedforsecurity=False).hexdigest()
            self.ids[self.ring.index(image_id)] += 1
        self.steps = 0
        self.copied = 0

    def reports(self, everybody: list[str]) -> dict[str, Report]:
        ring = self.ring
        proofs: dict[str, dict[int, Proof]] = defaultdict(dict)
        for p in changed(ring) if ring.pending else ():
            for key in ring.pending[p] if ring.pending else ():
                if key in self.holds[p]:
                    proofs[key][p] = Proof(ring.epoch, frozenset(ring.current[p]))
        return {
            key: Report(ring.epoch, blank=key not in ring, proofs=proofs[key], retired=True)
            for key in everybody
        }

    def scale(self, count: int) -> None:
        """From here to so many members."""
        people = members(count)
        everybody = sorted({m.key for m in people} | {m.key for m in self.ring.members})
        wanted = Wanted(tuple(people), COPIES, 2)
        while True:
            found = step(self.ring, wanted, self.reports(everybody))
            self.steps += 1
            if found.phase is Phase.STABLE:
                return
            if found.swap is not None:
                self.ring = found.swap
            elif found.phase is Phase.COPY:
                self._copy(set(found.members))
            self._check()

    def _copy(self, asked: set[str]) -> None:
        assert self.ring.pending is not None
        for p in changed(self.ring):
            lacking = (set(self.ring.pending[p]) & asked) - self.holds[p]
            self.copied += len(lacking) * self.ids[p]
            self.holds[p] |= lacking

    def _check(self) -> None:
        """I1: every id is on all its current owners, at every step; leftovers go once settled."""
        for p, row in enumerate(self.ring.current):
            assert self.holds[p] >= set(row)
            if self.ring.pending is None:
                self.holds[p] &= set(row)


def rounds_of_gossip(count: int) -> int:
    """Rounds until everybody has heard, when each swaps with one other at random."""
    dice = random.Random(count)
    heard = {0}
    rounds = 0
    while len(heard) < count:
        rounds += 1
        for one in range(count):
            other = dice.randrange(count)
            if one in heard or other in heard:
                heard |= {one, other}
    return rounds


def test_a_thousand_members_and_a_hundred_thousand_ids() -> None:
    large = Large(1000)
    for count in (1100, 1000):
        before, copied, steps = large.ring.current, large.copied, large.steps
        large.scale(count)
        bound = lower_bound(before, large.ring.current)
        assert moved(before, large.ring.current) <= 1.01 * bound
        share = (large.copied - copied) / (IDS * COPIES)
        rounds = rounds_of_gossip(count)
        print(
            f"to {count} members: {share:.1%} of all copies moved, "
            f"{large.steps - steps} steps, news everywhere in {rounds} rounds of gossip"
        )
        assert share < 0.11
        assert large.steps - steps <= 8
        assert rounds <= 2 * math.log2(count)
    assert {m.name for m in large.ring.members} == {m.name for m in members(1000)}
