"""Validators, conditions and ranges: each row was tried on nginx 1.22 with the same file."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apomixis_node.errors import ApiError
from apomixis_node.respond import Validators, byte_range, condition, image_headers

FILE = Validators(length=1000, mtime=1_600_000_000)
TAG = '"5f5e1000-3e8"'
THEN = "Sun, 13 Sep 2020 12:26:40 GMT"
BEFORE = "Sun, 13 Sep 2009 12:26:40 GMT"
AFTER = "Sun, 13 Sep 2099 12:26:40 GMT"
EQUAL_DATES = [
    THEN,
    "Sunday, 13-Sep-20 12:26:40 GMT",
    "Sun Sep 13 12:26:40 2020",
    "Sun, 13 Sep 2020 12:26:40",
    "Sun, 13 Sep 2020 12:26:40 UTC",
    "Sun, 13 Sep 2020 12:26:40 +0000",
]
NO_DATES = ["garbage", "", "0", "13 Sep 2020 12:26:40 GMT", "Sun, 99 Xyz 2020 12:26:40 GMT"]
WHOLE = None


def status(**headers: str) -> int:
    return condition({k.replace("_", "-"): v for k, v in headers.items()}, FILE)


def part(text: str, **headers: str) -> tuple[int, int] | int | None:
    try:
        return byte_range(
            {"range": text, **{k.replace("_", "-"): v for k, v in headers.items()}}, FILE
        )
    except ApiError as refused:
        return refused.status


def test_the_etag_is_as_nginx_makes_it() -> None:
    assert FILE.etag == TAG
    assert Validators(0, 0).etag == '"0-0"'
    assert FILE.last_modified == THEN


def test_every_image_carries_the_same_headers() -> None:
    headers = image_headers(FILE, "image/png", "inline", varies=True, ranges=True)
    assert headers == {
        "Content-Type": "image/png",
        "ETag": TAG,
        "Last-Modified": THEN,
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Disposition": "inline",
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
        "Vary": "Accept",
        "Accept-Ranges": "bytes",
    }
    plain = image_headers(FILE, "image/png", "inline", varies=False, ranges=False)
    assert not plain.keys() & {"Vary", "Accept-Ranges"}


def test_without_conditions_it_is_sent() -> None:
    assert status() == 200


@pytest.mark.parametrize(
    ("tags", "none_match", "match"),
    [
        (TAG, 304, 200),
        ("*", 304, 200),
        (f"W/{TAG}", 304, 412),
        ('"x"', 200, 412),
        (f'"x", {TAG}', 304, 200),
        (f'"x" ,W/{TAG}', 304, 412),
        (f'{TAG},"y"', 304, 200),
        (f"W/W/{TAG}", 200, 412),
        (f"w/{TAG}", 200, 412),
        (TAG[1:-1], 200, 412),
        (TAG.upper(), 200, 412),
        ("", 200, 412),
    ],
)
def test_tags(tags: str, none_match: int, match: int) -> None:
    assert status(if_none_match=tags) == none_match
    assert status(if_match=tags) == match


@pytest.mark.parametrize("date", EQUAL_DATES)
def test_every_form_of_the_date_is_understood(date: str) -> None:
    assert status(if_modified_since=date) == 304
    assert status(if_unmodified_since=date) == 200


@pytest.mark.parametrize("date", [BEFORE, *NO_DATES])
def test_an_older_date_and_none_at_all_see_a_change(date: str) -> None:
    assert status(if_modified_since=date) == 200
    assert status(if_unmodified_since=date) == 412


def test_a_later_date_sees_no_change() -> None:
    assert status(if_modified_since=AFTER) == 304
    assert status(if_unmodified_since=AFTER) == 200


@pytest.mark.parametrize(
    ("since", "tag", "expected"),
    [
        (THEN, TAG, 304),
        (AFTER, f"W/{TAG}", 304),
        (THEN, "*", 304),
        (THEN, '"x"', 200),
        (BEFORE, TAG, 200),
        (BEFORE, "*", 200),
        ("garbage", TAG, 200),
    ],
)
def test_not_modified_only_if_both_agree(since: str, tag: str, expected: int) -> None:
    assert status(if_modified_since=since, if_none_match=tag) == expected


def test_preconditions_come_first() -> None:
    assert status(if_match='"x"', if_none_match=TAG) == 412
    assert status(if_unmodified_since=BEFORE, if_none_match=TAG, if_modified_since=THEN) == 412
    assert status(if_unmodified_since=BEFORE, if_match=TAG) == 412
    assert status(if_match=TAG, if_none_match=TAG) == 304


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("BYTES=0-9", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=999-999", (999, 1000)),
        ("bytes=0-", (0, 1000)),
        ("bytes=999-", (999, 1000)),
        ("bytes=-5", (995, 1000)),
        ("bytes=-1000", (0, 1000)),
        ("bytes=-1001", (0, 1000)),
        ("bytes=0-999", (0, 1000)),
        ("bytes=0-1000", (0, 1000)),
        ("bytes= 0 - 9 ", (0, 10)),
        ("bytes=0000-0009", (0, 10)),
        ("bytes=2000-,0-1", (0, 2)),
        ("bytes=0-1,2000-", (0, 2)),
        ("bytes=5-3,0-1", (0, 2)),
        ("bytes=0-1,3-4", WHOLE),
        ("bytes=0-1, 3-4", WHOLE),
        ("bytes=-1,-1", WHOLE),
        ("bytes=0-1,3-4,x", WHOLE),
        ("", WHOLE),
        ("bytes", WHOLE),
        ("bytes=", WHOLE),
        ("bytes =0-9", WHOLE),
        ("items=0-9", WHOLE),
        ("bytes=-", 416),
        ("bytes=--", 416),
        ("bytes=-0", 416),
        ("bytes=5", 416),
        ("bytes=5-3", 416),
        ("bytes=a-b", 416),
        ("bytes=1000-", 416),
        ("bytes=2000-,3000-", 416),
        ("bytes=0-1,", 416),
        ("bytes=,0-1", 416),
        ("bytes=0-1,x", 416),
        ("bytes=\t0-9", 416),
        ("bytes=²-9", 416),
        ("bytes=0-99999999999999999999999", 416),
        ("bytes=99999999999999999999999-", 416),
        (f"bytes=0-{'9' * 9000}", 416),
    ],
)
def test_ranges(text: str, expected: tuple[int, int] | int | None) -> None:
    assert part(text) == expected


@pytest.mark.parametrize(
    ("validator", "expected"),
    [
        (TAG, (0, 10)),
        (THEN, (0, 10)),
        (f"W/{TAG}", WHOLE),
        ('"x"', WHOLE),
        (AFTER, WHOLE),
        (BEFORE, WHOLE),
        ("garbage", WHOLE),
        ("", WHOLE),
    ],
)
def test_a_range_only_of_the_file_that_is_meant(
    validator: str, expected: tuple[int, int] | None
) -> None:
    assert part("bytes=0-9", if_range=validator) == expected
    assert part("bytes=2000-", if_range=validator) == (416 if expected else WHOLE)


def test_a_refused_range_learns_the_length() -> None:
    with pytest.raises(ApiError) as refused:
        byte_range({"range": "bytes=1000-"}, FILE)
    assert refused.value.extra == {"length": 1000}


HEADER = st.text(st.characters(max_codepoint=255), max_size=60)


@given(HEADER, HEADER, HEADER, HEADER)
@example("Mon, 01 Jan 0000 00:00:00 GMT", "Mon, 99 Jan 9999 99:99:99 GMT", "*", "*")
@example("Sun, 13 Sep 2020 12:26:61 GMT", "Sun, 13 Sep 99999 12:26:40 GMT", "", "")
def test_no_header_breaks_a_condition(since: str, unmodified: str, tag: str, match: str) -> None:
    assert status(
        if_modified_since=since, if_unmodified_since=unmodified, if_none_match=tag, if_match=match
    ) in (200, 304, 412)


SPEC = st.from_regex(r"\A ?[0-9]{0,5} ?-? ?[0-9]{0,5}x?\Z")


@given(st.one_of(HEADER, st.lists(SPEC, max_size=4).map(lambda specs: "bytes=" + ",".join(specs))))
def test_a_range_is_inside_the_file_or_refused(text: str) -> None:
    match part(text):
        case (start, end):
            assert 0 <= start < end <= 1000
        case other:
            assert other in (WHOLE, 416)


@given(st.integers(0, 999), st.integers(0, 2000))
def test_a_range_of_plain_numbers_is_what_it_says(start: int, more: int) -> None:
    assert part(f"bytes={start}-{start + more}") == (start, min(start + more + 1, 1000))
