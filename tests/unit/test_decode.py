"""Hostile uploads: each is refused with its documented code, and with nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apomixis_node.decode import Limits, examine, inspect
from apomixis_node.errors import ApiError
from pictures import animation, corners, encoded, noise, png_bomb

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP")
# How many bytes a file may lack at its end and still decode.
FORGIVEN = {"PNG": 4, "GIF": 2}
LIMITS = Limits(max_pixels=1_000_000)


def code(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(ApiError) as refused:
        examine(data, limits)
    return refused.value.code


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_whole_is_taken(form: str) -> None:
    picture = examine(encoded(corners(), form), LIMITS)
    assert (picture.header.width, picture.header.height) == (80, 40)
    assert picture.header.format.pillow == form
    assert picture.color.startswith("#")
    assert picture.placeholder.startswith("data:image/webp;base64,")


@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_file_is_refused(form: str) -> None:
    data = noise(64, 48, form)
    last = len(data) - FORGIVEN.get(form, 0) - 1
    for cut in {last * step // 64 for step in range(64)} | {last}:
        assert code(data[:cut]) in ("broken_image", "unsupported_format"), cut


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script>",
        b"#!/bin/sh\nrm -rf /",
        bytes(5000),
    ],
)
def test_what_is_no_picture_is_not_a_format(data: bytes) -> None:
    assert code(data) == "unsupported_format"


def test_a_bomb_is_seen_in_its_header() -> None:
    assert code(png_bomb()) == "too_many_pixels"
    assert code(png_bomb(16_384, 16_384)) == "too_many_pixels"


@pytest.mark.parametrize("form", ["GIF", "WEBP"])
def test_frames_count_as_pixels(form: str) -> None:
    assert code(animation(form, 20), Limits(max_pixels=40 * 20 * 10)) == "too_many_pixels"
    assert inspect(animation(form, 4), LIMITS).frames == 4


def test_a_format_that_the_site_does_not_take() -> None:
    assert code(encoded(corners(), "BMP"), Limits(formats=("jpg", "png"))) == "unsupported_format"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255))))
def test_flipped_bytes_never_raise_anything_else(form: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(corners(), form))
    for place, value in flips:
        data[place % len(data)] = value
    status = 200
    try:
        assert examine(bytes(data), LIMITS).header.pixels <= LIMITS.max_pixels
    except ApiError as refused:
        status = refused.status
    assert status in (200, 415, 422)
