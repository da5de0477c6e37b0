"""Who is first in each row: the primary, which renders. Spread evenly, and kept where it was.

Every member leads floor(held / copies) to ceil(held / copies) of its partitions. That can always
be: leading 1/copies of each of one's partitions is a fractional solution, so there is a whole one
(a flow with bounds; Ahuja, Magnanti, Orlin: *Network Flows*, 6.7). It is found by shortest chains
of members that give each other partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

Link = tuple[int, int]  # (member, partition that it gives)


class Primaries:
    """Leaders of rows, on the way to being spread evenly."""

    def __init__(self, rows: Sequence[Sequence[int]], copies: int, members: int) -> None:
        self.rows = rows
        self.leader: list[int | None] = [None] * len(rows)
        self.held: list[list[int]] = [[] for _ in range(members)]
        for p, row in enumerate(rows):
            for member in row:
                self.held[member].append(p)
        self.leads: list[set[int]] = [set() for _ in range(members)]
        self.least = [len(held) // copies for held in self.held]
        self.most = [-(-len(held) // copies) for held in self.held]

    def spread(self, before: Sequence[int | None]) -> list[int]:
        """The leader of every row; `before` are those that led, to be kept as far as that goes."""
        for p, member in enumerate(before):
            if member is None or member not in self.rows[p]:
                continue
            if len(self.leads[member]) < self.most[member]:
                self._set(p, member)
        for p, leader in enumerate(self.leader):
            if leader is None:
                self._find_leader(p)
        for member in range(len(self.held)):
            while len(self.leads[member]) < self.least[member]:
                self._top_up(member)
        return [leader for leader in self.leader if leader is not None]

    def _set(self, p: int, member: int) -> None:
        old = self.leader[p]
        if old is not None:
            self.leads[old].remove(p)
        self.leader[p] = member
        self.leads[member].add(p)

    def _find_leader(self, p: int) -> None:
        """Push along a chain of leaders that step aside, to one that has room."""
        start = sorted(self.rows[p], key=lambda m: len(self.leads[m]) - self.most[m])
        chain = self._chain(
            [(m, p) for m in start],
            lambda member: ((m, q) for q in sorted(self.leads[member]) for m in self.rows[q]),
            lambda member: len(self.leads[member]) < self.most[member],
        )
        for member, q in chain:
            self._set(q, member)

    def _top_up(self, member: int) -> None:
        """Pull along a chain of leaders that each take from the next, from one with more to lead
        than it must."""
        chain = self._chain(
            self._led_by_others(member),
            self._led_by_others,
            lambda m: len(self.leads[m]) > self.least[m],
        )
        takers = [*(giver for giver, _ in chain[1:]), member]
        for (_, q), taker in zip(chain, takers, strict=True):
            self._set(q, taker)

    def _led_by_others(self, member: int) -> Iterator[Link]:
        for q in self.held[member]:
            leader = self.leader[q]
            if leader is not None and leader != member:
                yield leader, q

    def _chain(
        self,
        first: Iterable[Link],
        onward: Callable[[int], Iterable[Link]],
        end: Callable[[int], bool],
    ) -> list[Link]:
        """A shortest chain to a member that is an end, from there back to the beginning."""
        came: dict[int, tuple[int, int | None]] = {}
        queue: list[int] = []

        def reached(links: Iterable[Link], parent: int | None) -> int | None:
            """An end, if one of these links leads to it; most lead where others did."""
            for member, p in links:
                if member not in came:
                    came[member] = (p, parent)
                    queue.append(member)
                    if end(member):
                        return member
            return None

        last = reached(first, None)
        for member in queue:
            if last is not None:
                return _back(last, came)
            last = reached(onward(member), member)
        raise ValueError("No order of owners spreads the primaries.")


def _back(member: int, came: dict[int, tuple[int, int | None]]) -> list[Link]:
    links: list[Link] = []
    at: int | None = member
    while at is not None:
        p, parent = came[at]
        links.append((at, p))
        at = parent
    return links
