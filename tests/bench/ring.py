"""The ring next to OpenStack Swift's RingBuilder on the same members: balance, movement, time."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apomixis_ring.model import Member, Table
from apomixis_ring.placement import place
from bench.peers import SYSTEM_PYTHON
from bench.table import Row, interleaved
from rings import fair, held, lower_bound, members, moved

COPIES = 3
CHANGES = {
    "3 → 5": (members(3), members(5)),
    "5 → 3": (members(5), members(3)),
    "10 → 11": (members(10), members(11)),
    "50 → 45, weights": (members(50, step=0.5), members(45, step=0.5)),
    "100 → 101": (members(100), members(101)),
    "1000 → 1001": (members(1000), members(1001)),
}
UNITS = ("s", "moved ÷ least possible", "copies off the fair share, at worst")
Facts = tuple[float, float, float]
SWIFT = Path(__file__).with_name("swift_ring.py")


def rows(*, quick: bool) -> list[Row]:
    """All changes of members, ours first."""
    found: list[Row] = []
    swift = _has_swift()
    for name, (before, after) in CHANGES.items():
        if quick and len(before) >= 1000:
            continue
        found += _change(name, before, after, swift=swift and len(before) < 1000, quick=quick)
    return found


def _change(
    name: str, before: Sequence[Member], after: Sequence[Member], *, swift: bool, quick: bool
) -> list[Row]:
    def ours() -> Facts:
        first = place(before, COPIES)
        began = time.perf_counter()
        second = place(after, COPIES, first)
        return time.perf_counter() - began, *_facts(first, second, after)

    def theirs() -> Facts:
        told = _ask_swift(before, after)
        facts = _facts(_table(told["before"]), _table(told["after"]), after)
        return float(told["seconds"]), *facts

    contenders = {"Apomixis": ours} | ({"Swift's RingBuilder": theirs} if swift else {})
    return interleaved(f"ring, {name}", UNITS, contenders, 1 if quick else 3)


def _facts(before: Table, after: Table, wanted: Sequence[Member]) -> tuple[float, float]:
    """Copies moved to the fewest that could be; the copies that a member is off its share most."""
    counts, shares = held(after), fair(wanted, min(COPIES, len(wanted)), len(after))
    bound = lower_bound(before, after)
    worst = max(abs(counts[k] - s) for k, s in shares.items())
    return moved(before, after) / bound if bound else 1.0, round(worst, 6)


def _has_swift() -> bool:
    asked = [SYSTEM_PYTHON, "-c", "import swift.common.ring"]
    return subprocess.run(asked, capture_output=True, check=False, timeout=60).returncode == 0


def _ask_swift(before: Sequence[Member], after: Sequence[Member]) -> dict[str, Any]:
    lists = [[[m.key, m.zone, m.weight] for m in part] for part in (before, after)]
    done = subprocess.run(
        [SYSTEM_PYTHON, str(SWIFT)],
        input=json.dumps({"lists": lists, "copies": COPIES}),
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _table(rows_: list[list[str]]) -> Table:
    return Table(COPIES, 2, tuple(tuple(row) for row in rows_))
