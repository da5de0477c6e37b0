"""How many copies each member should hold: its weight's share, as far as zones allow.

Every partition has `copies` distinct owners in as many zones as possible. So a member can hold at
most one copy of each of the P partitions, and

    zones >= copies   each zone holds at most one copy of a partition: at most P in all
    zones <  copies   each zone holds at least one copy of a partition: at least P in all

Within these bounds the shares are the fairest there are (the lexicographically optimal base of the
polymatroid; Fujishige 1980): λ x weight for one λ, but for the zones, and the members, at a bound.
Everything is in exact fractions: a share that should be whole is whole, on every machine.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor


@dataclass(frozen=True, slots=True)
class Quotas:
    """Whole numbers that each share may be rounded to, and one such rounding, `target`.

    Indexes are those of members and of zones. The sums of `target` lie within the zones' bounds and
    add up to the sum of the shares.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    zone_low: tuple[int, ...]
    zone_high: tuple[int, ...]
    target: tuple[int, ...]


def fair_shares(
    weights: Sequence[Fraction], zones: Sequence[int], copies: int, partitions: int
) -> list[Fraction]:
    """Copies that each member should hold, in all `copies` x `partitions`.

    `zones` are the members' zones, numbered from 0; `copies` is at most the number of members.
    """
    wanted = Fraction(copies * partitions)
    level = _Level(weights, zones, copies, partitions)
    steps = sorted({Fraction(0), *level.bends()})
    # The total grows piecewise linearly with λ and bends only at `steps`.
    right = bisect_left(steps, wanted, lo=1, hi=len(steps) - 1, key=level.total)
    below, above = steps[right - 1], steps[right]
    low, high = level.total(below), level.total(above)
    return level.shares(below + (wanted - low) * (above - below) / (high - low))


class _Level:
    """Shares as a function of λ, the copies for a weight of 1."""

    def __init__(
        self, weights: Sequence[Fraction], zones: Sequence[int], copies: int, partitions: int
    ) -> None:
        self.weights, self.zones, self.partitions = weights, zones, partitions
        self.zone_weights = _sums(weights, zones)
        self.bound = min if len(self.zone_weights) >= copies else max

    def bends(self) -> set[Fraction]:
        """Every λ where a member or a zone arrives at its bound."""
        return {self.partitions / w for w in (*self.weights, *self.zone_weights)}

    def total(self, level: Fraction) -> Fraction:
        members = self._uncorrected(level)
        sums = _sums(members, self.zones)
        return sum((self.bound(s, Fraction(self.partitions)) for s in sums), Fraction(0))

    def shares(self, level: Fraction) -> list[Fraction]:
        members = self._uncorrected(level)
        sums = _sums(members, self.zones)
        return [
            share
            if self.bound(sums[zone], self.partitions) == sums[zone]
            else self.partitions * weight / self.zone_weights[zone]
            for share, weight, zone in zip(members, self.weights, self.zones, strict=True)
        ]

    def _uncorrected(self, level: Fraction) -> list[Fraction]:
        most = Fraction(self.partitions)
        shares = {w: min(most, level * w) for w in set(self.weights)}
        return [shares[w] for w in self.weights]


def rounded(shares: Sequence[Fraction], zones: Sequence[int], held: Sequence[int]) -> Quotas:
    """Round every member's and every zone's share up or down so that as little as possible moves.

    Rounding up goes first to those that hold at least that much already, then to the largest
    fractions; `held` are the copies that each member has now.
    """
    sums = _sums(shares, zones)
    low, zone_low = [floor(s) for s in shares], [floor(s) for s in sums]
    target = low.copy()
    spare = zone_low.copy()
    for zone, share in zip(zones, low, strict=True):
        spare[zone] -= share
    queues = _by_wish_to_round_up(shares, zones, held, len(sums))

    def wish(zone: int) -> tuple[bool, Fraction]:
        """Whether one more copy for the zone saves a move; and its fraction."""
        queue, taken = queues[zone], spare[zone]
        saves = taken < len(queue) and held[queue[taken]] > low[queue[taken]]
        return saves, sums[zone] - zone_low[zone]

    divided = [zone for zone, s in enumerate(sums) if s > zone_low[zone]]
    for zone in sorted(divided, key=wish, reverse=True)[: int(sum(sums)) - sum(zone_low)]:
        spare[zone] += 1
    for zone, queue in enumerate(queues):
        for member in queue[: spare[zone]]:
            target[member] += 1
    return Quotas(
        tuple(low),
        tuple(ceil(s) for s in shares),
        tuple(zone_low),
        tuple(ceil(s) for s in sums),
        tuple(target),
    )


def _by_wish_to_round_up(
    shares: Sequence[Fraction], zones: Sequence[int], held: Sequence[int], zone_count: int
) -> list[list[int]]:
    """Of each zone, the members whose share is no whole number, the keenest first."""
    queues: list[list[int]] = [[] for _ in range(zone_count)]
    for member, share in enumerate(shares):
        if share.denominator != 1:
            queues[zones[member]].append(member)
    for queue in queues:
        queue.sort(key=lambda m: (held[m] <= floor(shares[m]), -(shares[m] % 1), m))
    return queues


def _sums(values: Sequence[Fraction], zones: Sequence[int]) -> list[Fraction]:
    """The sum over each zone."""
    sums = [Fraction(0)] * (max(zones) + 1)
    for value, zone in zip(values, zones, strict=True):
        sums[zone] += value
    return sums
