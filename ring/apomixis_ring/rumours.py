"""Rumours: what members say of each other, and whom nobody has heard of for a while.

Every round a node swaps what it knows with one random member. News is a higher heartbeat; a
member whose heartbeat stands still is first suspect, then dead, and alive again with its next
beat. A newer incarnation of a name beats every rumour of the older one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class State(Enum):
    """What a node thinks of a member. Only suspicion: it is asked last, never left out."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Rumour:
    """What a member said of itself. `started` in milliseconds, `about` whatever it wants known."""

    name: str
    incarnation: str
    started: int
    heartbeat: int
    epoch: int
    url: str
    about: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The member's key in the ring."""
        return f"{self.name}@{self.incarnation}"

    @property
    def order(self) -> tuple[int, int]:
        """Newer starts beat older ones, then newer beats."""
        return self.started, self.heartbeat


class View:
    """One node's view of all members, itself included."""

    def __init__(self, me: Rumour, suspect_ms: int, dead_ms: int) -> None:
        self.me = me
        self._suspect_ms, self._dead_ms = suspect_ms, dead_ms
        self._known: dict[str, Rumour] = {me.name: me}
        self._advanced: dict[str, int] = {me.name: 0}

    def beat(self, epoch: int, about: Mapping[str, Any]) -> None:
        """A round begins: this node lives, and says so."""
        me = self.me
        self.me = Rumour(
            me.name, me.incarnation, me.started, me.heartbeat + 1, epoch, me.url, about
        )
        self._known[me.name] = self.me

    def rumours(self) -> tuple[Rumour, ...]:
        """All that is known, to be told."""
        return tuple(self._known.values())

    def merge(self, told: tuple[Rumour, ...], now: int) -> list[Rumour]:
        """Take over what is news; returns it. `now` in milliseconds of this node's clock."""
        news = []
        for rumour in told:
            known = self._known.get(rumour.name)
            if rumour.name == self.me.name or (known and known.order >= rumour.order):
                continue
            self._known[rumour.name] = rumour
            self._advanced[rumour.name] = now
            news.append(rumour)
        return news

    def state(self, key: str, now: int) -> State:
        """What this node thinks of a member; one never heard of is suspect."""
        name, _, incarnation = key.partition("@")
        known = self._known.get(name)
        if name == self.me.name:
            return State.ALIVE
        if known is None:
            return State.SUSPECT
        if known.incarnation != incarnation:
            return State.DEAD
        silent = now - self._advanced[name]
        if silent >= self._dead_ms:
            return State.DEAD
        return State.SUSPECT if silent >= self._suspect_ms else State.ALIVE

    def started(self, key: str) -> int | None:
        """When a member started, by its own clock in milliseconds; None if nobody told."""
        known = self._known.get(key.partition("@")[0])
        return known.started if known is not None and known.key == key else None

    def newest_epoch(self) -> Rumour:
        """Who knows the newest ring."""
        return max(self._known.values(), key=lambda rumour: rumour.epoch)
