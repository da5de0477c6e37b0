"""Reading a ring from JSON: what is wrong with it is said in one sentence, never guessed away."""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from typing import Any

from .model import MAX_REPLICATION, NOBODY, PARTITIONS, Member, Ring, RingError, Table


def loads(text: str) -> Ring:
    """Read `Ring.dumps`. Raises RingError."""
    try:
        return from_json(json.loads(text))
    except (ValueError, RecursionError) as wrong:
        if isinstance(wrong, RingError):
            raise
        raise RingError(f"The ring is not JSON: {wrong}.") from None


def from_json(found: object) -> Ring:
    """Read `Ring.to_json`. Raises RingError for anything else."""
    ring = _fields(found, "ring")
    members = tuple(_member(m, i) for i, m in enumerate(_list(ring, "members")))
    pending = ring.get("pending")
    if pending is not None:
        pending = _table(_fields(pending, "pending"), "pending", "table", members)
    return Ring(
        cluster=_text(ring, "cluster"),
        epoch=_number(ring, "epoch"),
        members=members,
        current=_table(ring, "current", "current", members),
        pending=pending,
    )


def _member(found: object, index: int) -> Member:
    where = f"members[{index}]"
    member = _fields(found, where)
    weight = member.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise RingError(f"{where}.weight must be a number.")
    return Member(
        name=_text(member, "name", where),
        incarnation=_text(member, "incarnation", where),
        url=_text(member, "url", where),
        zone=_text(member, "zone", where),
        weight=float(weight) if abs(weight) < 1e300 else float("inf"),
    )


def _table(found: dict[str, Any], where: str, cells: str, members: tuple[Member, ...]) -> Table:
    replication = _number(found, "replication", where)
    write_quorum = _number(found, "writeQuorum", where)
    if not 1 <= replication <= MAX_REPLICATION:
        raise RingError(f"{where}: replication must be 1 to {MAX_REPLICATION}, not {replication}.")
    indexes = _unpack(_text(found, cells, where), replication, where)
    rows = []
    for start in range(0, len(indexes), replication):
        row = [i for i in indexes[start : start + replication] if i != NOBODY]
        if any(i >= len(members) for i in row):
            raise RingError(
                f"{where}: partition {start // replication} names member {max(row)}, "
                f"but there are {len(members)}."
            )
        rows.append(tuple(members[i].key for i in row))
    return Table(replication, write_quorum, tuple(rows))


def _unpack(text: str, replication: int, where: str) -> tuple[int, ...]:
    size = PARTITIONS * replication * 2
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as wrong:
        raise RingError(f"{where}: the table is not base64 of zlib: {wrong}.") from None
    if len(raw) != size or not inflate.eof:
        raise RingError(
            f"{where}: the table must have {size} bytes: {PARTITIONS} partitions of "
            f"{replication} owners."
        )
    return struct.unpack(f">{size // 2}H", raw)


def _fields(found: object, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise RingError(f"{where} must be a JSON object.")
    return found


def _list(found: dict[str, Any], name: str) -> list[object]:
    value = found.get(name)
    if not isinstance(value, list):
        raise RingError(f"{name} must be a list.")
    return value


def _text(found: dict[str, Any], name: str, where: str = "ring") -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise RingError(f"{where}.{name} must be a string.")
    return value


def _number(found: dict[str, Any], name: str, where: str = "ring") -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RingError(f"{where}.{name} must be a whole number.")
    return value
