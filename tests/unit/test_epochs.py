"""Adopting a ring is a barrier: after it, nothing begun under an older one can happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from apomixis_node.epochs import Rings
from apomixis_node.errors import ApiError
from apomixis_node.identity import load_ring
from apomixis_ring.model import PARTITIONS
from rings import ring

ONE = ring(partitions=PARTITIONS)
TWO = replace(ONE, epoch=2)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  what is awaited is somebody else's state
            await asyncio.sleep(0.001)


async def test_without_a_ring_everything_waits(tmp_path: Path) -> None:
    rings = Rings(tmp_path, None)
    assert (rings.epoch, rings.known) == (0, None)
    with pytest.raises(ApiError, match="not_ready"):
        rings.require(1)


async def test_adopting_is_durable_before_it_is_acknowledged(tmp_path: Path) -> None:
    rings = Rings(tmp_path, None)
    await rings.adopt(ONE)
    assert load_ring(tmp_path) == ONE
    assert rings.ring is ONE
    await rings.adopt(ONE)


async def test_an_older_or_another_ring_is_refused(tmp_path: Path) -> None:
    rings = Rings(tmp_path, TWO)
    with pytest.raises(ApiError) as refused:
        await rings.adopt(ONE)
    assert refused.value.code == "stale_epoch"
    assert refused.value.body()["ring"] == TWO.to_json()
    with pytest.raises(ApiError, match="two writers disagree"):
        await rings.adopt(replace(TWO, cluster="other"))


async def test_adopting_waits_for_older_writes_and_no_others(tmp_path: Path) -> None:
    rings = Rings(tmp_path, ONE)
    events: list[str] = []

    async def write(epoch: int, go: asyncio.Event) -> None:
        async with rings.writing(epoch):
            await go.wait()
            try:
                rings.require(epoch)
                events.append("wrote")
            except ApiError:
                events.append("refused")

    async def adopt() -> None:
        await rings.adopt(TWO)
        events.append("adopted")

    first, second = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(write(1, first))
        await asyncio.sleep(0)
        group.create_task(adopt())
        await until(lambda: rings.epoch == 2)
        group.create_task(write(2, second))
        for _ in range(20):
            await asyncio.sleep(0)
        assert events == []  # the barrier holds
        first.set()
        await until(lambda: "adopted" in events)
        second.set()
    assert events == ["refused", "adopted", "wrote"]


async def test_a_write_under_an_older_epoch_does_not_begin(tmp_path: Path) -> None:
    rings = Rings(tmp_path, TWO)
    with pytest.raises(ApiError, match="stale_epoch"):
        async with rings.writing(1):
            pytest.fail("it began")
