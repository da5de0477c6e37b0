"""Whether the others know where this node is now: a start may have brought another address.

A node that starts gossips with each peer, and a peer that hears so of a new start calls back at
once, at the address that it was told. Traffic is worth sending here once most live peers did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

PATIENCE_S = 60.0
"""After that it counts as known: a peer that can't call back must not keep a node from serving."""


class Announced:
    """Of one node since its start: who called it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + PATIENCE_S
        self._callers: set[str] = set()
        self._known = False

    def called_by(self, key: str) -> None:
        """A member reached this node, at the address that it has of it."""
        if not self._known:
            self._callers.add(key)

    def strangers(self, keys: Collection[str]) -> list[str]:
        """Those of these members that did not call yet; none once this node is known."""
        return [] if self._known else [key for key in keys if key not in self._callers]

    def is_known(self, live: Collection[str]) -> bool:
        """Whether most of these live peers called since the start. Once true, it stays so."""
        called = len(live) - len(self.strangers(live))
        if not live or 2 * called > len(live) or self._clock() >= self._until:
            self._known = True
            self._callers.clear()
        return self._known
