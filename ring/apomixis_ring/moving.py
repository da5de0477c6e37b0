"""How far a transition is, from what members say of themselves: for people, never a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .model import Ring, name_of
from .transition import changed


@dataclass(frozen=True, slots=True)
class Moving:
    """`done` of `total` pairs of a changed partition and a pending owner are proved; `partitions`
    change; `joining` and `leaving` are names."""

    done: int
    total: int
    partitions: int
    joining: tuple[str, ...]
    leaving: tuple[str, ...]

    @property
    def percent(self) -> int:
        """Whole per cent, 0 to 100."""
        return 100 * self.done // self.total if self.total else 100

    @property
    def sentence(self) -> str:
        """What is going on, in one sentence."""
        parts = [f"{n} joins" for n in self.joining] + [f"{n} leaves" for n in self.leaving]
        why = ", ".join(parts) or "copies move"
        return f"The ring is changing ({why}): {self.percent} % of {self.partitions} partitions."


def moving(ring: Ring, proved: Mapping[str, int]) -> Moving | None:
    """The transition that `ring` is in, None where it is in none.

    `proved` are the partitions that each member has proved at this epoch, by key.
    """
    if ring.pending is None:
        return None
    partitions = changed(ring)
    wanted: dict[str, int] = {}
    for p in partitions:
        for key in ring.pending[p]:
            wanted[key] = wanted.get(key, 0) + 1
    return Moving(
        sum(min(count, proved.get(key, 0)) for key, count in wanted.items()),
        sum(wanted.values()),
        len(partitions),
        *joining_and_leaving(ring),
    )


def joining_and_leaving(ring: Ring) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of members that own something in the pending table only, or in the current one only."""
    now = {key for row in ring.current for key in row}
    then = {key for row in ring.pending or ring.current for key in row}
    return tuple(sorted(map(name_of, then - now))), tuple(sorted(map(name_of, now - then)))
