"""Run by the system's Python: Swift's RingBuilder from one list of members to another."""

from __future__ import annotations

import json
import sys
import time

from swift.common.ring import RingBuilder

POWER = 12


def rows(builder: RingBuilder, names: dict[int, str]) -> list[list[str]]:
    """Partition -> names of devices."""
    tables = builder._replica2part2dev
    return [[names[table[p]] for table in tables] for p in range(2**POWER)]


def main() -> None:
    """One JSON object in, one out."""
    told = json.load(sys.stdin)
    before, after = told["lists"]
    builder = RingBuilder(POWER, told["copies"], 0)
    ids: dict[str, int] = {}

    def add(key: str, zone: str, weight: float) -> None:
        ids[key] = builder.add_dev(
            {
                "region": 0,
                "zone": int(zone.lstrip("z")),
                "weight": weight,
                "ip": "127.0.0.1",
                "port": 6000 + len(ids),
                "device": key,
            }
        )

    for member in before:
        add(*member)
    builder.rebalance(seed=1)
    first = rows(builder, {i: key for key, i in ids.items()})
    began = time.perf_counter()
    kept = {key for key, _, _ in after}
    for key in list(ids):
        if key not in kept:
            builder.remove_dev(ids[key])
    for member in after:
        if member[0] not in ids:
            add(*member)
    builder.pretend_min_part_hours_passed()
    builder.rebalance(seed=1)
    spent = time.perf_counter() - began
    second = rows(builder, {i: key for key, i in ids.items()})
    json.dump({"before": first, "after": second, "seconds": spent}, sys.stdout)


main()
