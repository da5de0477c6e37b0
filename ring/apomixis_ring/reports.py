"""What a node says of itself to whoever plays the operator's part, read from its JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import Member
from .proof import Proof
from .transition import Report


def read_member(said: Mapping[str, Any]) -> Member:
    """Who it is. Raises KeyError, TypeError, ValueError for anything else."""
    return Member(
        name=str(said["name"]),
        incarnation=str(said["incarnation"]),
        url=str(said["url"]),
        zone=str(said["zone"]),
        weight=float(said["weight"]),
    )


def read_report(said: Mapping[str, Any]) -> Report:
    """What it acknowledged, holds and has proved. Raises KeyError, TypeError, ValueError."""
    epoch = int(said["epoch"])
    proofs: dict[int, Proof] = {}
    for group in said["proofs"]:
        proof = Proof(epoch, frozenset(group["asked"]))
        proofs |= dict.fromkeys(map(int, group["partitions"]), proof)
    left = said["leftovers"]
    return Report(
        epoch=epoch,
        blank=bool(said["blank"]),
        proofs=proofs,
        leftovers=None if left is None else int(left),
        retired=bool(said["retired"]),
    )
