"""Conditions and ranges, decided as nginx decides them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from apomixis_node.errors import ApiError
from apomixis_node.respond import Validators, byte_range, condition, image_headers

FILE = Validators(1000, 1_700_000_000)
TAG = FILE.etag
NOW, BEFORE, AFTER = (
    "Tue, 14 Nov 2023 22:13:20 GMT",
    "Tue, 14 Nov 2023 22:13:19 GMT",
    "Tue, 14 Nov 2023 22:13:21 GMT",
)


def test_the_tag_is_nginxs() -> None:
    assert TAG == '"6553f100-3e8"'
    assert FILE.last_modified == NOW


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"If-None-Match": TAG}, 304),
        ({"If-None-Match": f"W/{TAG}"}, 304),
        ({"If-None-Match": f'"x", {TAG}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-Modified-Since": NOW}, 304),
        ({"If-Modified-Since": AFTER}, 304),
        ({"If-Modified-Since": BEFORE}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-None-Match": TAG, "If-Modified-Since": NOW}, 304),
        ({"If-None-Match": TAG, "If-Modified-Since": BEFORE}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": NOW}, 200),
        ({"If-Match": TAG}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": f"W/{TAG}"}, 412),
        ({"If-Match": '"x"'}, 412),
        ({"If-Unmodified-Since": NOW}, 200),
        ({"If-Unmodified-Since": BEFORE}, 412),
        ({"If-Match": TAG, "If-None-Match": TAG}, 304),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    assert condition(Headers(headers), FILE) == status


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-99", (0, 100)),
        ("bytes=900-", (900, 1000)),
        ("bytes=-100", (900, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=999-5000", (999, 1000)),
        ("bytes= 0 - 99 ", (0, 100)),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_ranges(text: str, part: tuple[int, int] | None) -> None:
    assert byte_range(Headers({"Range": text}), FILE) == part


@pytest.mark.parametrize("text", ["bytes=1000-", "bytes=5-4", "bytes=-", "bytes=-0", "bytes=a-b"])
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        byte_range(Headers({"Range": text}), FILE)
    assert refused.value.status == 416
    assert refused.value.body()["length"] == 1000


@pytest.mark.parametrize(
    ("condition_", "whole"),
    [(TAG, False), ('"x"', True), (NOW, False), (BEFORE, True), (AFTER, True), ("x", True)],
)
def test_if_range(condition_: str, whole: bool) -> None:
    headers = Headers({"Range": "bytes=0-9", "If-Range": condition_})
    assert (byte_range(headers, FILE) is None) is whole


@given(st.text(alphabet="bytes=0123456789-, ", max_size=24))
def test_any_range_lies_inside_or_is_a_416(text: str) -> None:
    part: tuple[int, int] | None = None
    try:
        part = byte_range(Headers({"Range": text}), FILE)
    except ApiError as refused:
        assert refused.status == 416  # noqa: PT017  either is right
    assert part is None or 0 <= part[0] < part[1] <= 1000


def test_headers_of_an_image() -> None:
    plain = image_headers(FILE, "image/jpeg", "inline", varies=False, ranges=False)
    assert plain["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Vary" not in plain
    assert "Accept-Ranges" not in plain
    full = image_headers(FILE, "image/jpeg", "inline", varies=True, ranges=True)
    assert (full["Vary"], full["Accept-Ranges"]) == ("Accept", "bytes")
    assert full["X-Content-Type-Options"] == "nosniff"
    assert full["Access-Control-Allow-Origin"] == "*"
