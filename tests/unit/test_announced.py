"""When a node that started counts as known to its peers."""

from __future__ import annotations

import pytest

from apomixis_node.announced import PATIENCE_S, Announced


@pytest.mark.parametrize(
    ("live", "callers", "known"),
    [
        ("", "", True),
        ("a", "", False),
        ("a", "a", True),
        ("ab", "a", False),
        ("ab", "ab", True),
        ("abc", "ab", True),
        ("ab", "xyz", False),
        ("abcd", "ab", False),
        ("abcd", "abd", True),
    ],
)
def test_most_live_peers_have_called(live: str, callers: str, known: bool) -> None:
    announced = Announced()
    for caller in callers:
        announced.called_by(caller)
    assert announced.strangers(live) == [key for key in live if key not in callers]
    assert announced.is_known(live) is known


def test_what_was_known_once_stays_known() -> None:
    announced = Announced()
    announced.called_by("a")
    assert announced.is_known("a")
    assert announced.is_known("abcdef")
    assert announced.strangers("abcdef") == []


def test_peers_that_cannot_call_back_keep_nobody_from_serving() -> None:
    now = 100.0
    announced = Announced(lambda: now)
    now += PATIENCE_S - 0.1
    assert not announced.is_known("ab")
    now += 0.1
    assert announced.is_known("ab")
