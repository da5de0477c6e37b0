"""The search under placement: give every partition its copies, every member its quota, move little.

    partitions          members            quotas
    p: [a, c, f]          a  ── holds 3 ── wants 2     a has an excess of 1
    q: [b, c, ·]          b  ── holds 1 ── wants 1     q has a free place
    r: [a, b, d]          e  ── holds 0 ── wants 2     e has a deficit of 2

A minimum-cost flow by successive shortest paths, with its inner nodes contracted: nodes are the
members, and one for all free places. There is an arc a → e if some partition that a holds may give
a's place to e; it costs 1 if e never held that partition, less 1 if a never did (nothing was copied
yet). A path from an excess, or a free place, to a deficit is a chain of exchanges. It starts from
copies that cost nothing, so without a negative cycle, and augmenting along shortest paths keeps it
so (Ahuja, Magnanti, Orlin: *Network Flows*, 9.7). Almost every path is one arc: those are taken in
bulk, largest deficit first, and the search is for the few that are left.

Sets of members are the bits of an int: a node's arcs are found with a few operations on them.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NOWHERE = -1  # the node of all free places


@dataclass(frozen=True, slots=True)
class Problem:
    """Members and zones are numbers from 0; a set of members is the bits of an int.

    `wanted[m]` copies for each member, `copies` in each row, in as many zones as possible.
    Pairs of `free[p]` cost nothing: that member held the partition before.
    """

    copies: int
    zones: Sequence[int]
    wanted: Sequence[int]
    free: Sequence[int]


Arc = tuple[int, int, int]  # giver, taker, partition


class Exchange:
    """Rows on their way to a solution; each starts as a legal part of one, and is completed."""

    def __init__(self, problem: Problem, rows: list[list[int]]) -> None:
        self.problem, self.rows = problem, rows
        self.everybody = (1 << len(problem.zones)) - 1
        self.zone_bits = [0] * (max(problem.zones) + 1)
        for member, zone in enumerate(problem.zones):
            self.zone_bits[zone] |= 1 << member
        self.holds: list[set[int]] = [set() for _ in problem.zones]
        self.open: dict[int, None] = {}
        for p, row in enumerate(rows):
            for member in row:
                self.holds[member].add(p)
            if len(row) < problem.copies:
                self.open[p] = None

    def solve(self) -> None:
        """Complete the rows in place."""
        while path := self._shortest_path():
            length = sum(self._cost(arc) for arc in path)
            self._apply(path)
            if length > 0:
                self._take_directly()

    def _deficit(self, member: int) -> int:
        return self.problem.wanted[member] - len(self.holds[member])

    def _takers(self, p: int, giver: int) -> int:
        """Who may take the giver's (or a free) place in row p."""
        rest = [m for m in self.rows[p] if m != giver]
        zones = {self.problem.zones[m] for m in rest}
        bits = self.everybody
        for member in rest if giver == NOWHERE else self.rows[p]:
            bits &= ~(1 << member)
        zone_count, copies = len(self.zone_bits), self.problem.copies
        if zone_count >= copies or zone_count - len(zones) >= copies - len(rest):
            for zone in zones:
                bits &= ~self.zone_bits[zone]
        return bits

    def _cost(self, arc: Arc) -> int:
        giver, taker, p = arc
        free = self.problem.free[p]
        given_back = giver != NOWHERE and not free >> giver & 1
        return (0 if free >> taker & 1 else 1) - given_back

    def _places(self, node: int) -> list[int]:
        return list(self.open) if node == NOWHERE else sorted(self.holds[node])

    def _arcs(self, node: int) -> Iterator[tuple[int, int, int]]:
        """Each taker once per cost: (cost, taker, partition), the cheapest first."""
        seen = {-1: 0, 0: 0, 1: 0}
        found = []
        for p in self._places(node):
            takers = self._takers(p, node)
            back = int(node != NOWHERE and not self.problem.free[p] >> node & 1)
            for bits, cost in (
                (takers & self.problem.free[p], -back),
                (takers & ~self.problem.free[p], 1 - back),
            ):
                fresh = bits & ~seen[cost]
                seen[cost] |= fresh
                while fresh:
                    low = fresh & -fresh
                    found.append((cost, low.bit_length() - 1, p))
                    fresh ^= low
        return iter(sorted(found))

    def _shortest_path(self) -> list[Arc]:
        """A cheapest path from an excess or a free place to a deficit; [] when all is settled."""
        members = range(len(self.holds))
        starts = [m for m in members if self._deficit(m) < 0] + [NOWHERE] * bool(self.open)
        if not starts:
            return []
        best: dict[int, tuple[int, int]] = dict.fromkeys(starts, (0, 0))
        came: dict[int, Arc] = {}
        queue = deque(starts)
        queued = set(starts)
        arcs: dict[int, list[tuple[int, int, int]]] = {}
        while queue:
            node = queue.popleft()
            queued.discard(node)
            if node not in arcs:
                arcs[node] = list(self._arcs(node))
            cost, steps = best[node]
            for extra, taker, p in arcs[node]:
                reached = (cost + extra, steps + 1)
                if taker not in best or reached < best[taker]:
                    best[taker], came[taker] = reached, (node, taker, p)
                    if taker not in queued:
                        queue.append(taker)
                        queued.add(taker)
        ends = [(best[m], m) for m in members if m in best and self._deficit(m) > 0]
        if not ends:
            raise ValueError("No placement keeps the rules for these members.")
        path: list[Arc] = []
        node = min(ends)[1]
        while node in came and (node not in starts or not path):
            path.append(came[node])
            node = came[node][0]
        return path

    def _apply(self, path: list[Arc]) -> None:
        for arc in path:
            self._move(*arc)

    def _move(self, giver: int, taker: int, p: int) -> None:
        row = self.rows[p]
        if giver == NOWHERE:
            row.append(taker)
            if len(row) == self.problem.copies:
                del self.open[p]
        else:
            row[row.index(giver)] = taker
            self.holds[giver].remove(p)
        self.holds[taker].add(p)

    def _take_directly(self) -> None:
        """Every one-arc path of cost 1: free places, then excesses, to the largest deficits."""
        heap = [(-self._deficit(m), m) for m in range(len(self.holds)) if self._deficit(m) > 0]
        heapq.heapify(heap)
        for p in list(self.open):
            while p in self.open and self._to_largest(heap, p, NOWHERE):
                pass
        for giver in range(len(self.holds)):
            for p in sorted(self.holds[giver]):
                if self._deficit(giver) >= 0:
                    break
                if self.problem.free[p] >> giver & 1:
                    self._to_largest(heap, p, giver)

    def _to_largest(self, heap: list[tuple[int, int]], p: int, giver: int) -> bool:
        takers = self._takers(p, giver) & ~self.problem.free[p]
        passed = []
        moved = False
        while heap and not moved:
            need, member = heapq.heappop(heap)
            if takers >> member & 1:
                self._move(giver, member, p)
                need, moved = need + 1, True
            if need < 0:
                passed.append((need, member))
        for entry in passed:
            heapq.heappush(heap, entry)
        return moved
