"""What one owner may say of an id, and how what several said is weighed by its stamps."""

from __future__ import annotations

from collections.abc import Mapping

from .marks import Mark
from .quorum import Answer

Heard = tuple[Answer, Mark | None]


def answer(mark: Mark | None, *, ready: bool, caught_up: bool, quarantined: bool) -> Answer:
    """What an owner says of an id of which it has `mark`.

    "Yes" needs only the file. "No" and "gone" are certain: disk readable, the id not in
    quarantine, caught up since it started. Until it has heard enough tombstones (`ready`) a node
    says nothing.
    """
    if not ready or quarantined:
        return Answer.UNKNOWN
    if mark is not None and not mark.deleted:
        return Answer.YES
    if not caught_up:
        return Answer.UNKNOWN
    return Answer.NO if mark is None else Answer.GONE


def weighed(heard: Mapping[str, Heard], mine: Mark | None = None) -> dict[str, Answer]:
    """The answers by member key, a "yes" that a tombstone wins over (or `mine` does) as "gone".

    An owner that missed a delete still holds the original; it has nothing newer to say.
    """
    known = [mark for _, mark in heard.values() if mark is not None and mark.deleted]
    known += [mine] if mine is not None and mine.deleted else []
    newest = max(known, default=None)
    return {key: _outdone(said, mark, newest) for key, (said, mark) in heard.items()}


def _outdone(said: Answer, mark: Mark | None, tombstone: Mark | None) -> Answer:
    if said is Answer.YES and mark is not None and tombstone is not None and mark < tombstone:
        return Answer.GONE
    return said
