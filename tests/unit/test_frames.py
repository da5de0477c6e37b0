"""Frames: many files in one body, cut anywhere, come out whole or not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apomixis_node.frames import BadFrameError, Frames, Head

FILES = [(Head("a" * 40, "jpg", 5, 7), b"hello"), (Head("b" * 40, "png", 0, 8), b"")]
BODY = b"".join(head.dumps() + data for head, data in FILES)


def read(body: bytes, cuts: list[int]) -> list[tuple[Head, bytes]]:
    frames = Frames()
    found: list[tuple[Head, bytes]] = []
    places = sorted({0, len(body), *(c % (len(body) + 1) for c in cuts)})
    for start, end in pairwise(places):
        for part in frames.feed(body[start:end]):
            if isinstance(part, Head):
                found.append((part, b""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + part)
    frames.end()
    return found


@given(st.lists(st.integers(0, 500), max_size=20))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    assert read(BODY, cuts) == FILES


@pytest.mark.parametrize("length", [1, 3, 4, 20, len(BODY) - 1])
def test_an_end_in_the_middle_is_said(length: int) -> None:
    with pytest.raises(BadFrameError):
        read(BODY[:length], [])


@pytest.mark.parametrize(
    "body", [b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\2{}", b"\0\0\0\1x", b"\0\0\0\0"]
)
def test_nonsense_is_said(body: bytes) -> None:
    with pytest.raises(BadFrameError):
        read(body, [])
