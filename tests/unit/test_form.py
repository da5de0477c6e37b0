"""Bodies of uploads, cut into any chunks: what is taken, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.requests import Request

from apomixis_node import form as form_module
from apomixis_node.disk import TMP
from apomixis_node.errors import ApiError
from apomixis_node.form import FIELD_BYTES, HEADER_BYTES, PARTS, Form, read_multipart, read_raw
from apomixis_node.incoming import Incoming
from apomixis_node.paths import file_name
from apomixis_node.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Message

MAX_BYTES = 4000
PICTURE = bytes(range(256)) * 4 + b"\r\n--\r\n--B\r--B--\n"
KIND = "multipart/form-data; boundary=BOUND"


def part(name: str, data: bytes, extra: str = "", headers: bytes = b"") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"{extra}'.encode()
    return b"--BOUND\r\n" + disposition + b"\r\n" + headers + b"\r\n" + data + b"\r\n"


IMAGE = part("image", PICTURE, '; filename="p.jpg"')
KEY = part("key", b"sesame")
END = b"--BOUND--\r\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("form")
    (folder / TMP).mkdir()
    (folder / "secret").write_text("s")
    return Settings(
        name="n",
        data=folder,
        secret_file=folder / "secret",
        max_bytes=MAX_BYTES,
    )


def request(chunks: Sequence[bytes], kind: str, *, silent: bool = False) -> Request:
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    if not silent:
        messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    headers = [(b"content-type", kind.encode("latin-1"))]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def taken(
    settings: Settings, chunks: Sequence[bytes], kind: str = KIND, *, silent: bool = False
) -> tuple[Form, bytes]:
    """The form and the picture's bytes; leaves nothing in tmp/ either way."""
    read = read_multipart if kind.startswith("multipart") else read_raw
    try:
        with Incoming(settings.data, lambda _: True) as incoming:
            form = await read(request(chunks, kind, silent=silent), incoming, settings)
            return form, incoming.path.read_bytes()
    finally:
        assert not list((settings.data / TMP).iterdir())


async def refusal(
    settings: Settings, chunks: Sequence[bytes], kind: str = KIND, *, silent: bool = False
) -> ApiError:
    with pytest.raises(ApiError) as refused:
        await taken(settings, chunks, kind, silent=silent)
    return refused.value


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = [*sorted({place % (len(data) + 1) for place in places}), len(data)]
    starts = [0, *ends]
    return [data[a:b] for a, b in zip(starts, ends, strict=False)]


PLACES = st.lists(st.integers(min_value=0, max_value=10**6), max_size=12)
some = hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@some
@given(PLACES, st.binary(max_size=600))
@example([], b"\r\n--BOUN")
@example([], b"\r\n--BOUND-")
@example([], b"--BOUND\r\n\r\n")
async def test_chunks_make_no_difference(
    settings: Settings, places: list[int], data: bytes
) -> None:
    if b"\r\n--BOUND" in b"\r\n" + data:
        data = data.replace(b"--BOUND", b"--bound")
    body = part("image", data, '; filename="a b.png"') + KEY + END
    form, picture = await taken(settings, cut(body, places))
    assert (picture, form.filename, form.fields) == (data, "a b.png", {"key": "sesame"})


async def test_every_single_cut_makes_no_difference(settings: Settings) -> None:
    body = part("image", b"\r\n-\r\n--BOUN\r") + KEY + END
    for place in range(len(body)):
        form, picture = await taken(settings, [body[:place], body[place:]])
        assert (picture, form.fields) == (b"\r\n-\r\n--BOUN\r", {"key": "sesame"})


@pytest.mark.parametrize("parts", [(IMAGE, KEY), (KEY, IMAGE)])
async def test_the_order_of_fields_is_the_clients(
    settings: Settings, parts: tuple[bytes, ...]
) -> None:
    form, picture = await taken(settings, [*parts, END])
    assert picture == PICTURE
    assert form == Form("p.jpg", True, {"key": "sesame"})


@some
@given(PLACES, st.integers(min_value=0, max_value=len(IMAGE + KEY + END) - 4))
async def test_without_its_end_it_is_refused(
    settings: Settings, places: list[int], length: int
) -> None:
    error = await refusal(settings, cut((IMAGE + KEY + END)[:length], places))
    assert (error.code, error.status) == ("bad_form", 400)


@some
@given(PLACES, st.binary(max_size=400))
@example([], b"--BOUND\r\nContent-Disposition: form-data; name*0*=x''%zz; name*1\r\n\r\n")
@example([], b"--BOUND\r\nContent-Disposition: form-data; name*=utf-99''a\r\n\r\nx\r\n--BOUND--")
@example([], b"--BOUND\r\nContent-Disposition: form-data; name*9999999999999999999=a\r\n\r\n")
@example([], b"--BOUND\r\nContent-Disposition: \xff\xfe; name=\xff\r\n\r\n\r\n--BOUND--")
@example([], b"--BOUND\r\nContent-Disposition\r\n\r\n")
@example([], b"--BOUND\r\n: \r\n\r\n")
async def test_garbage_is_a_bad_form(settings: Settings, places: list[int], body: bytes) -> None:
    assert (await refusal(settings, cut(body, places))).code == "bad_form"


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)


@some
@given(HEADER)
@example("form-data; name*0*=x''%zz; name*1*=y")
@example("form-data; name*=utf-99''image")
@example("form-data; filename*=''; name=image; name*")
@example('form-data; name="image"; filename*1=b; filename*x=c; filename*' + "9" * 5000 + "=d")
async def test_any_disposition_is_read_or_refused(settings: Settings, value: str) -> None:
    head = b"--BOUND\r\nContent-Disposition: " + value.encode("latin-1")
    try:
        form, _ = await taken(settings, [head + b"\r\n\r\nx\r\n" + IMAGE + END])
    except ApiError as refused:
        form, code = Form(has_image=True), refused.code
    else:
        code = "bad_form"
    assert (form.has_image, code) == (True, "bad_form")


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=OTHER",
        "multipart/form-data; boundary*0*=x''%zz",
        "multipart/form-data; boundary=" + "x" * 5000,
        "multipart/form-data; boundary=\xff\xfe",
        "multipart/form-data; bound=BOUND",
    ],
)
async def test_a_wrong_boundary_is_a_bad_form(settings: Settings, kind: str) -> None:
    assert (await refusal(settings, [IMAGE + END], kind)).code == "bad_form"


async def test_the_boundary_may_be_quoted_and_hold_odd_characters(settings: Settings) -> None:
    body = (IMAGE + END).replace(b"BOUND", b"b'()+_,-./:=?")
    _, picture = await taken(settings, [body], 'multipart/form-data; boundary="b\'()+_,-./:=?"')
    assert picture == PICTURE


LONG = b"X-Long: " + b"x" * HEADER_BYTES + b"\r\n"
MANY = b"x: y\r\n" * HEADER_BYTES


@pytest.mark.parametrize(
    "parts",
    [
        [part("image", b"x", headers=LONG), END],
        [part("image", b"x", headers=MANY), END],
        [part("image" * HEADER_BYTES, b"x"), END],
        [b"--BOUND\r\n" + b"x" * 10 * HEADER_BYTES],
        [part("key", b"k" * (FIELD_BYTES + 1)), IMAGE, END],
        [KEY] * PARTS + [IMAGE, END],
        [IMAGE, IMAGE, END],
        [KEY, END],
        [END],
        [],
        [part("file", PICTURE), END],
        [b"preamble\r\n", IMAGE, END],
    ],
    ids=[
        "long header",
        "many headers",
        "long name",
        "header without end",
        "long field",
        "many parts",
        "two images",
        "no image",
        "only the end",
        "empty",
        "other name",
        "preamble",
    ],
)
async def test_what_is_too_much_or_missing_is_refused_at_once(
    settings: Settings, parts: list[bytes]
) -> None:
    small = [chunk for each in parts for chunk in (each[:5], each[5:])]
    assert (await refusal(settings, small)).code == "bad_form"


async def test_the_largest_field_and_most_parts_are_taken(settings: Settings) -> None:
    long = part("note", b"n" * FIELD_BYTES)
    form, _ = await taken(settings, [long, *[KEY] * (PARTS - 2), IMAGE, END])
    assert len(form.fields["note"]) == FIELD_BYTES


@pytest.mark.parametrize("size", [10, 100, MAX_BYTES])
async def test_one_byte_too_many_is_too_large(settings: Settings, size: int) -> None:
    whole, too_long = b"x" * MAX_BYTES, b"x" * (MAX_BYTES + 1)
    steps = list(range(0, MAX_BYTES + 1, size))
    assert (await taken(settings, cut(whole, steps), "image/png"))[1] == whole
    assert (await refusal(settings, cut(too_long, steps), "image/png")).status == 413
    assert (await taken(settings, cut(part("image", whole) + END, steps)))[1] == whole
    assert (await refusal(settings, cut(part("image", too_long) + END, steps))).status == 413


async def test_what_comes_after_the_end_is_bounded(settings: Settings) -> None:
    chunk = b"x" * 65536
    error = await refusal(settings, [IMAGE, END, *[chunk] * 8])
    assert error.code == "too_large"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\\\..\\\\boot.ini", "boot.ini"),
        ("/abs/photo.jpg", "photo"),
        ("C:\\\\photo.png", "photo"),
        ("a\x00b.jpg", "ab"),
        ("..", "image"),
        ("x" * 3000, "x" * 60),
        ("", "image"),
    ],
)
async def test_a_file_name_is_only_ever_a_word(settings: Settings, name: str, stem: str) -> None:
    form, picture = await taken(settings, [part("image", b"x", f'; filename="{name}"'), END])
    assert (picture, file_name(form.filename, "image")) == (b"x", stem)


@pytest.mark.parametrize("kind", [KIND, "image/png"])
async def test_a_silent_client_is_too_slow(
    settings: Settings, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_module, "START_S", 0.05)
    error = await refusal(settings, [IMAGE[:20]], kind, silent=True)
    assert (error.code, error.status) == ("too_slow", 408)
