"""Gossip: news everywhere in a handful of rounds, suspicion before death, new incarnations win."""

from __future__ import annotations

import math
import random

import pytest

from apomixis_ring.rumours import Rumour, State, View


def rumour(name: str, beat: int = 0, *, started: int = 1, incarnation: str = "i1") -> Rumour:
    return Rumour(name, incarnation, started, beat, 1, f"http://{name}", {})


def view(name: str = "me") -> View:
    return View(rumour(name), suspect_ms=100, dead_ms=300)


def test_silence_is_suspect_then_dead_and_a_beat_is_alive_again() -> None:
    one = view()
    assert one.state("a@i1", 0) is State.SUSPECT
    one.merge((rumour("a", 1),), now=0)
    states = [one.state("a@i1", now) for now in (0, 99, 100, 299, 300)]
    assert states == [State.ALIVE, State.ALIVE, State.SUSPECT, State.SUSPECT, State.DEAD]
    assert one.merge((rumour("a", 1),), now=400) == [], "no news"
    assert one.state("a@i1", 400) is State.DEAD
    assert len(one.merge((rumour("a", 2),), now=400)) == 1
    assert one.state("a@i1", 401) is State.ALIVE
    assert one.state("me@i1", 10**9) is State.ALIVE


def test_a_newer_incarnation_beats_every_old_rumour() -> None:
    one = view()
    one.merge((rumour("a", 500),), now=0)
    one.merge((rumour("a", 1, started=2, incarnation="i2"),), now=0)
    assert one.merge((rumour("a", 900),), now=0) == []
    assert one.state("a@i1", 0) is State.DEAD
    assert one.state("a@i2", 0) is State.ALIVE


def test_nobody_else_says_how_this_node_is() -> None:
    one = view()
    one.merge((rumour("me", 999, started=9),), now=0)
    assert one.me.heartbeat == 0
    one.beat(7, {"disk": "full"})
    assert (one.me.heartbeat, one.me.epoch) == (1, 7)
    assert one.newest_epoch() is one.me


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_news_of_a_ring_is_everywhere_after_a_few_rounds(count: int) -> None:
    """Every round each node swaps with one other, as the node does; rounds grow as log n."""
    dice = random.Random(count)
    views = [view(f"n{i}") for i in range(count)]
    views[0].beat(2, {})
    rounds = 0
    while min(v.newest_epoch().epoch for v in views) < 2:
        rounds += 1
        assert rounds < 4 * math.log2(count) + 4
        for one in dice.sample(views, count):
            other = dice.choice([v for v in dice.sample(views, 2) if v is not one])
            # Only the news matters here, so only it is swapped: a whole view is n² of work.
            news = max((one.newest_epoch(), other.newest_epoch()), key=lambda r: r.epoch)
            one.merge((news,), now=rounds)
            other.merge((news,), now=rounds)
    assert rounds <= 2 * math.log2(count) + 2
