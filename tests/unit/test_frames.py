"""Frames: many files in one body, cut anywhere, come out whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apomixis_node.frames import BadFrameError, Frames, Head

FILES = [(Head("a" * 40, "jpg", 5, 7), b"hello"), (Head("b" * 40, "png", 0, 8), b"")]
BODY = b"".join(head.dumps() + data for head, data in FILES)


async def chunks(body: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    places = sorted({0, len(body), *(c % (len(body) + 1) for c in cuts)})
    for start, end in pairwise(places):
        yield body[start:end]


async def read(body: bytes, cuts: list[int]) -> list[tuple[Head, bytes]]:
    frames = Frames(chunks(body, cuts))
    found = []
    while (head := await frames.head()) is not None:
        found.append((head, b"".join([chunk async for chunk in frames.body(head)])))
    return found


@given(st.lists(st.integers(0, 500), max_size=20))
async def test_cuts_do_not_matter(cuts: list[int]) -> None:
    assert await read(BODY, cuts) == FILES


@pytest.mark.parametrize("length", [1, 3, 4, 20, len(BODY) - 1])
async def test_an_end_in_the_middle_is_said(length: int) -> None:
    with pytest.raises(BadFrameError):
        await read(BODY[:length], [])


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\2{}", b"\0\0\0\1x"])
async def test_nonsense_is_said(body: bytes) -> None:
    with pytest.raises(BadFrameError):
        await read(body, [])
