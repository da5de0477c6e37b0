"""When a write is acknowledged, and when a read is a true "no".

`replication` copies; W of them make a promise, R = owners - W + 1 a certainty: any R owners include
one of any W. In a transition every rule holds for the current and for the pending table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from .model import Ring, Table


class Answer(Enum):
    """What one owner says of an id, asked now under the reader's epoch; silence is UNKNOWN."""

    YES = "yes"
    NO = "no"
    GONE = "gone"
    UNKNOWN = "unknown"


class Verdict(Enum):
    """What a read may say: 200, 404, 410 or 503."""

    FOUND = "found"
    ABSENT = "absent"
    DELETED = "deleted"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a write is acknowledged, and one sentence why."""

    reached: bool
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read may say, and one sentence why."""

    verdict: Verdict
    why: str


def _tables(ring: Ring) -> Iterator[tuple[str, Table]]:
    yield "current", ring.current
    if ring.pending is not None:
        yield "pending", ring.pending


def acknowledged(ring: Ring, image_id: str, holders: Collection[str]) -> Decision:
    """An upload is acknowledged when W owners of each table hold it, fsynced.

    `holders` are keys of members; those that own nothing of the image don't count.
    """
    index = ring.index(image_id)
    said = []
    reached = True
    for name, table in _tables(ring):
        have = sum(key in holders for key in table[index])
        wanted = table.write_quorum_of(index)
        reached = reached and have >= wanted
        said.append(f"{have} of {len(table[index])} {name} owners hold it, {wanted} are needed")
    return Decision(reached, "; ".join(said) + ".")


def deleted(ring: Ring, image_id: str, holders: Collection[str]) -> Decision:
    """A delete is acknowledged when max(W, R) owners of each table hold the tombstone, fsynced.

    So every later quorum of an upload meets it.
    """
    index = ring.index(image_id)
    said = []
    reached = True
    for name, table in _tables(ring):
        have = sum(key in holders for key in table[index])
        wanted = certain(table, index)
        reached = reached and have >= wanted
        said.append(f"{have} of {len(table[index])} {name} owners deleted it, {wanted} are needed")
    return Decision(reached, "; ".join(said) + ".")


def certain(table: Table, index: int) -> int:
    """max(W, R): how many owners make a "no" certain, and a delete acknowledged."""
    return max(table.write_quorum_of(index), table.read_quorum_of(index))


def read(ring: Ring, image_id: str, answers: Mapping[str, Answer]) -> Reading:
    """What may be said of an image after these answers, by member key.

    ABSENT and DELETED need max(W, R) certain answers in each table, and nobody who said yes.
    """
    index = ring.index(image_id)
    owners = {key for _, table in _tables(ring) for key in table[index]}
    heard = {key: answer for key, answer in answers.items() if key in owners}
    if Answer.YES in heard.values():
        return Reading(Verdict.FOUND, "An owner holds it.")
    said = []
    sure = True
    for name, table in _tables(ring):
        have = sum(heard.get(key) in (Answer.NO, Answer.GONE) for key in table[index])
        wanted = certain(table, index)
        sure = sure and have >= wanted
        said.append(
            f"{have} of {len(table[index])} {name} owners answered with certainty, "
            f"{wanted} are needed"
        )
    why = "; ".join(said) + "."
    if not sure:
        return Reading(Verdict.UNCERTAIN, why)
    gone = Answer.GONE in heard.values()
    return Reading(Verdict.DELETED if gone else Verdict.ABSENT, why)
