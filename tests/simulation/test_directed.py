"""Directed histories: quiet under the rules, a named violation under the weakened one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pytest

from apomixis_ring import answers, epochs, proof, quorum, transition
from apomixis_ring.model import Ring
from simulation import directed
from simulation.world import Violation

_read, _answer, _unproved = quorum.read, answers.answer, proof.unproved


def only_current(ring: Ring, image_id: str, heard: Any) -> Any:
    return _read(Ring(ring.cluster, ring.epoch, ring.members, ring.current), image_id, heard)


def certain_is_r(ring: Ring, image_id: str, heard: Any) -> Any:
    with patch.object(quorum, "certain", lambda t, i: t.read_quorum_of(i)):
        return _read(ring, image_id, heard)


def one_source_less(ring: Ring, index: int, proofs: Any, _: Any, lost: Any = ()) -> Any:
    with patch.object(proof, "sources_needed", lambda r, i, _=(): r.current.read_quorum_of(i) - 1):
        return _unproved(ring, index, proofs, (), lost)


Patch = tuple[object, str, Any]
CASES: list[tuple[str, Callable[[], None], list[Patch], str]] = [
    (
        "404 asks only the old table",
        directed.reader_has_not_heard_of_the_commit,
        [(quorum, "read", only_current)],
        "I5",
    ),
    (
        "404 at R where W > R",
        directed.two_owners_were_cut_off_with_the_reader,
        [(quorum, "read", certain_is_r)],
        "I5",
    ),
    (
        "a drop outlives its epoch",
        directed.drop_outlives_its_epoch,
        [(epochs, "may_unlink", lambda *_: True), (epochs, "adopted", lambda *_: True)],
        "I",
    ),
    (
        "no barrier on adopting",
        directed.write_outlives_its_epoch,
        [(epochs, "adopted", lambda *_: True), (epochs, "may_finish", lambda *_: True)],
        "I1",
    ),
    (
        "quarantine says no",
        directed.quarantine_is_no_absence,
        [(answers, "answer", lambda m, **k: _answer(m, **{**k, "quarantined": False}))],
        "I5",
    ),
    (
        "a late notice after expiry",
        directed.late_write_after_the_tombstone_is_gone,
        [(epochs, "too_late", lambda *_: False)],
        "I9",
    ),
    (
        "R - 1 sources",
        directed.too_few_sources,
        [(transition, "unproved", one_source_less), (transition, "sources_needed", lambda *_: 0)],
        "I8",
    ),
]


@pytest.mark.parametrize(("name", "history"), [(c[0], c[1]) for c in CASES])
def test_the_rules_hold(name: str, history: Callable[[], None]) -> None:
    del name
    history()


@pytest.mark.parametrize(("name", "history", "patches", "invariant"), CASES)
def test_the_weakening_is_caught(
    name: str, history: Callable[[], None], patches: list[Patch], invariant: str
) -> None:
    with ExitStack() as stack:
        for thing, attribute, other in patches:
            stack.enter_context(patch.object(thing, attribute, other))
        with pytest.raises(Violation, match=f"^{invariant}") as seen:
            history()
    assert str(seen.value), name
