"""What the numbers should be, and which of them are: a table below the table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.table import Row, number

PEERS = "thumbor|imagor"


@dataclass(frozen=True)
class Target:
    """Of every row whose `what`, contender and unit match: its ratio (or median) is in bounds."""

    what: str
    contender: str
    unit: str
    least: float | None = None
    most: float | None = None
    ratio: bool = True

    def names(self, row: Row) -> bool:
        """Whether it speaks of this row. Next to an ours of 0 there is no ratio."""
        if self.ratio and row.ratio is None:
            return False
        pairs = ((self.what, row.what), (self.contender, row.contender))
        return row.unit == self.unit and all(re.match(a, b) is not None for a, b in pairs)

    def measured(self, row: Row) -> float:
        """What it is about."""
        found = row.ratio if self.ratio else row.median
        assert found is not None, row
        return found

    def is_met(self, row: Row) -> bool:
        """Whether the row is within bounds."""
        found = self.measured(row)
        above = self.least is None or found >= self.least
        return above and (self.most is None or found <= self.most)

    @property
    def bound(self) -> str:
        """In words."""
        unit = "times as good" if self.ratio else self.unit
        bounds = (("≥", self.least), ("≤", self.most))
        return ", ".join(f"{sign} {b:g} {unit}" for sign, b in bounds if b is not None)


TARGETS = (
    Target("hot through nginx", "nginx, static file", "requests/s", least=0.85),
    Target("hot through nginx", "thumbor", "requests/s", least=40),
    Target("hot, ", "nginx, static file", "requests/s", least=0.10),
    Target("cold, 200 fit of 12 MP", PEERS, "images/s", least=10),
    Target("cold, 200 square of 12 MP", "thumbor", "images/s", least=20),
    Target("cold, 200 square of 12 MP", "imagor", "images/s", least=6.5),
    Target("cold, 800 wide of 12 MP", PEERS, "images/s", least=3.5),
    Target("quality", PEERS, "SSIM", least=0.995),
    Target(r"straight .* MP$", "imagor", "images/s", least=1.0),
    Target(r"straight .* (PNG|WEBP)$", "imagor", "images/s", least=0.6),
    Target("64 first requests.*nodes$", "Apomixis", "renders", most=1, ratio=False),
    Target("64 first requests.*worst$", "Apomixis", "ms", most=50, ratio=False),
    Target("upload", "hash, three copies", "bytes/s", least=0.5),
    Target("sync", "sendfile, hash, write, fsync", "bytes/s", least=0.5),
    Target("sync", "sendfile, hash, write$", "bytes/s", least=0.75),
    Target("verify", "sha1sum", "bytes/s", least=1.5),
    Target("ring", "Apomixis", "moved ÷ least possible", most=1.01, ratio=False),
    Target("ring", "Swift", "s", least=1.0),
    Target("ring", "Swift", "copies off the fair share, at worst", least=1.0),
    Target("ring, 100 → 101", "Apomixis", "s", most=0.5, ratio=False),
    Target("ring, 1000 → 1001", "Apomixis", "s", most=10, ratio=False),
    Target("start until", "Apomixis, .{5,} originals", "s", most=1.1),
)


def judged(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every target with each row that it speaks of."""
    return [
        {
            "what": row.what,
            "next_to": row.contender,
            "unit": row.unit,
            "target": target.bound,
            "measured": target.measured(row),
            "met": target.is_met(row),
        }
        for target in TARGETS
        for row in rows
        if target.names(row)
    ]


def markdown(found: Sequence[dict[str, Any]]) -> str:
    """A table for people."""
    lines = ["| what | next to | target | measured | |", "|---|---|---|---:|---|"]
    for one in found:
        next_to = "" if one["next_to"] == "Apomixis" else one["next_to"]
        met = "met" if one["met"] else "**short**"
        lines.append(
            f"| {one['what']}, {one['unit']} | {next_to} | {one['target']} "
            f"| {number(one['measured'])} | {met} |"
        )
    return "\n".join(lines)
