"""A simulated volume: what was not fsynced may be forgotten when its node dies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apomixis_ring.marks import Mark

if TYPE_CHECKING:
    import random

    from apomixis_ring.model import Ring


@dataclass
class Disk:
    """Marks by id, the identity, the ring; `rotten` are originals whose bytes have flipped."""

    incarnation: str
    ring: Ring | None = None
    marks: dict[str, Mark] = field(default_factory=dict)
    unsynced: dict[str, Mark | None] = field(default_factory=dict)
    rotten: set[str] = field(default_factory=set)
    quarantined: dict[str, Mark] = field(default_factory=dict)
    seen: int = 0  # when it was last known to be a member
    blank: bool = True  # was never a member's

    def write(self, image_id: str, mark: Mark) -> None:
        """Visible now; durable after `fsync`."""
        self.unsynced.setdefault(image_id, self.marks.get(image_id))
        self.marks[image_id] = mark
        self.rotten.discard(image_id)

    def known(self, image_id: str) -> Mark | None:
        """The newest mark, quarantined bytes counted: what was promised of them still stands."""
        found = [m for m in (self.marks.get(image_id), self.quarantined.get(image_id)) if m]
        return max(found, default=None)

    def repaired(self, image_id: str, mark: Mark) -> Mark:
        """The mark under which bytes from a source are kept: never below that of those lost."""
        lost = self.quarantined.get(image_id)
        return mark if lost is None or mark.deleted else max(mark, lost)

    def fsync(self, image_id: str) -> None:
        """Make it durable."""
        self.unsynced.pop(image_id, None)
        if image_id in self.marks:
            self.quarantined.pop(image_id, None)

    def unlink(self, image_id: str) -> None:
        """Forget an id."""
        self.marks.pop(image_id, None)
        self.unsynced.pop(image_id, None)
        self.rotten.discard(image_id)

    def kept(self, image_id: str) -> Mark | None:
        """As `durable`, but a flipped bit is verify's business, not a lost promise."""
        if image_id in self.unsynced:
            return self.unsynced[image_id] or self.quarantined.get(image_id)
        return self.marks.get(image_id) or self.quarantined.get(image_id)

    def listed(self) -> dict[str, Mark]:
        """What an inventory lists: quarantined ids too, for they were promised."""
        return {**self.quarantined, **self.marks}

    def set_aside(self, incarnation: str) -> None:
        """Another incarnation; what is here goes to `former/`, and only a source brings it back."""
        self.incarnation = incarnation
        self.blank = True
        self.marks.clear()
        self.unsynced.clear()
        self.rotten.clear()
        self.quarantined.clear()

    def crash(self, dice: random.Random) -> None:
        """Forget some of what was not fsynced."""
        for image_id, before in self.unsynced.items():
            if dice.random() < 0.5:
                continue
            if before is None:
                self.marks.pop(image_id, None)
            else:
                self.marks[image_id] = before
        self.unsynced.clear()
