"""Image URLs: the grammar, its one canonical form, and what no name may smuggle in."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apomixis_node.errors import ApiError
from apomixis_node.paths import NAME, ImagePath, file_name, read_path
from apomixis_node.sizes import SIZE_GRAMMAR, Size

ID = "3f9c0a1b2c3d4e5f60718293a4b5c6d7e8f9aabb"
SIGNATURE = "A-_9" * 5 + "zz"
CANONICAL = [
    f"/image/{ID}/full/photo.jpg",
    f"/image/{ID}/200s/photo.png",
    f"/image/{ID}/300w/photo.webp",
    f"/image/{ID}/200h/photo.avif",
    f"/image/{ID}/300w200h/photo.gif",
    f"/image/{ID}/300w200hc/photo.auto",
    f"/image/{ID}/300w200hc33x20/photo.jpg",
    f"/image/{ID}/200s0x100/photo.jpg",
    f"/image/{ID}/300wq60/photo.jpg",
    f"/image/{ID}/full/photo.tiff",
    f"/image/{ID}/full/photo.bmp",
    f"/image/{ID}/full/photo.heic",
    f"/image/{ID}/4096w/a.b.c.jpg",
    f"/image/{ID}/1s/.jpg.jpg",
    f"/image/{ID}/1s/{'x' * 200}.jpg",
    f"/image/{ID}/1s/{'%C3' * 200}.jpg",
    f"/image/{ID}/1s/!$&+^_`|~-.jpg",
    f"/image/{ID}/1s/%22%3b%20a%3Db.jpg",
    f"/image/{ID}/1s/{SIGNATURE}/photo.jpg",
]
REDIRECTED = [
    (f"/image/{ID}/0100w/p.jpg", f"/image/{ID}/100w/p.jpg"),
    (f"/image/{ID}/200h300w/p.jpg", f"/image/{ID}/300w200h/p.jpg"),
    (f"/image/{ID}/200h0300wc/p.jpg", f"/image/{ID}/300w200hc/p.jpg"),
    (f"/image/{ID}/300w/p.jpeg", f"/image/{ID}/300w/p.jpg"),
    (f"/image/{ID}/300w/p.JPG", f"/image/{ID}/300w/p.jpg"),
    (f"/image/{ID}/300w/p.jpe", f"/image/{ID}/300w/p.jpg"),
    (f"/image/{ID}/full/p.tif", f"/image/{ID}/full/p.tiff"),
    (f"/image/{ID}/200s50x50/p.jpg", f"/image/{ID}/200s/p.jpg"),
    (f"/image/{ID}/300w200hc50x50/p.jpg", f"/image/{ID}/300w200hc/p.jpg"),
    (f"/image/{ID}/200s033x020/p.jpg", f"/image/{ID}/200s33x20/p.jpg"),
    (f"/image/{ID}/300wq060/p.jpg", f"/image/{ID}/300wq60/p.jpg"),
    (f"/image/{ID}/0100w/{SIGNATURE}/%41.jpeg", f"/image/{ID}/100w/{SIGNATURE}/%41.jpg"),
]
REFUSED = [
    ("bad_path", f"/image/{ID}/1s/"),
    ("bad_path", f"/image/{ID}/1s"),
    ("bad_path", f"/image/{ID}/1s/.jpg"),
    ("bad_path", f"/image/{ID}/1s/photo"),
    ("bad_path", f"/image/{ID}/1s/photo."),
    ("bad_path", f"/image/{ID}/1s/photo.svg"),
    ("bad_path", f"/image/{ID}/1s/photo.jpg/"),
    ("bad_path", f"/image/{ID}/1s//photo.jpg"),
    ("bad_path", f"//image/{ID}/1s/photo.jpg"),
    ("bad_path", f"/x/../image/{ID}/1s/photo.jpg"),
    ("bad_path", f"/image/{ID}/1s/../photo.jpg"),
    ("bad_path", f"/image/{ID}/1s/..%2Fphoto.jpg"),
    ("bad_path", f"/image/{ID}/1s/..%2fphoto.jpg"),
    ("bad_path", f"/image/{ID}/1s/..%5Cphoto.jpg"),
    ("bad_path", f"/image/{ID}/1s/..%5cphoto.jpg"),
    ("bad_path", f"/image/{ID}/1s/a\\b.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%00.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%0d%0aSet-Cookie:x=1.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%0d%0aSet-Cookie%3Ax%3D1.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%7F.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%7f.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%1f.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%zz.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%2.jpg"),
    ("bad_path", f"/image/{ID}/1s/a%.jpg"),
    ("bad_path", f"/image/{ID}/1s/a b.jpg"),
    ("bad_path", f"/image/{ID}/1s/a'b.jpg"),
    ("bad_path", f"/image/{ID}/1s/a;b.jpg"),
    ("bad_path", f'/image/{ID}/1s/a"b.jpg'),
    ("bad_path", f"/image/{ID}/1s/a*b.jpg"),
    ("bad_path", f"/image/{ID}/1s/a#b.jpg"),
    ("bad_path", f"/image/{ID}/1s/é.jpg"),
    ("bad_path", f"/image/{ID}/1s/{'x' * 201}.jpg"),
    ("bad_path", f"/image/{ID}/1s/{SIGNATURE}x/photo.jpg"),
    ("bad_path", f"/image/{ID}/1s/{SIGNATURE[:-1]}/photo.jpg"),
    ("bad_path", f"/image/{ID}/1s/photo.jpg\n"),
    ("bad_id", f"/image/{ID.upper()}/1s/photo.jpg"),
    ("bad_id", f"/image/{ID[:-1]}/1s/photo.jpg"),
    ("bad_id", f"/image/{ID}0/1s/photo.jpg"),
    ("bad_id", f"/image/{ID[:-3]}%33/1s/photo.jpg"),
    ("bad_id", "/image//1s/photo.jpg"),
    ("bad_id", "/image/../1s/photo.jpg"),
    ("bad_size", f"/image/{ID}//photo.jpg"),
    ("bad_size", f"/image/{ID}/0w/photo.jpg"),
    ("bad_size", f"/image/{ID}/4097w/photo.jpg"),
    ("bad_size", f"/image/{ID}/9999999999w/photo.jpg"),
    ("bad_size", f"/image/{ID}/300W/photo.jpg"),
    ("bad_size", f"/image/{ID}/300w%0a/photo.jpg"),
    ("bad_size", f"/image/{ID}/²00w/photo.jpg"),
    ("bad_size", f"/image/{ID}/-1w/photo.jpg"),
    ("bad_size", f"/image/{ID}/300wc/photo.jpg"),
    ("bad_size", f"/image/{ID}/200s101x0/photo.jpg"),
    ("bad_size", f"/image/{ID}/300wq61/photo.jpg"),
    ("bad_size", f"/image/{ID}/fullq60/photo.jpg"),
]


def read(path: str) -> ImagePath:
    return read_path(path.encode("latin-1"), max_side=4096, qualities=(60,))


def outcome(raw: bytes) -> ImagePath | int:
    try:
        return read_path(raw, max_side=4096, qualities=())
    except ApiError as refused:
        return refused.status


@pytest.mark.parametrize("path", CANONICAL)
def test_a_canonical_path_is_its_own_form(path: str) -> None:
    assert str(read(path)) == path


@pytest.mark.parametrize(("path", "canonical"), REDIRECTED)
def test_other_forms_have_one_canonical_form(path: str, canonical: str) -> None:
    assert str(read(path)) == canonical
    assert str(read(canonical)) == canonical


@pytest.mark.parametrize(("code", "path"), REFUSED)
def test_anything_else_is_refused(code: str, path: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(path)
    assert (refused.value.code, refused.value.status) == (code, 400)
    if code == "bad_size":
        assert SIZE_GRAMMAR in refused.value.detail


def test_a_signature_is_read_where_one_is() -> None:
    assert read(f"/image/{ID}/1s/{SIGNATURE}/p.jpg").signature == SIGNATURE
    assert read(f"/image/{ID}/1s/p.jpg").signature is None
    assert read(f"/image/{ID}/1s/{SIGNATURE}.jpg").name == SIGNATURE


def test_the_disposition_carries_the_name_as_it_was_sent() -> None:
    path = read(f"/image/{ID}/1s/caf%c3%A9.%22.jpeg")
    assert path.disposition == "inline; filename*=UTF-8''caf%c3%A9.%22.jpg"


@given(st.binary(max_size=80))
@example(b"\xff\xfe.jpg")
def test_no_bytes_break_the_parser(tail: bytes) -> None:
    path = outcome(f"/image/{ID}/1s/".encode() + tail)
    if path == 400:
        return
    assert isinstance(path, ImagePath)
    again = read_path(str(path).encode(), max_side=4096, qualities=())
    assert again == path
    assert re.fullmatch(r"inline; filename\*=UTF-8''[!$&+^_`|~.%A-Za-z0-9-]+", path.disposition)
    decoded = unquote_to_bytes(path.name)
    assert not set(decoded) & {*range(0x20), 0x2F, 0x5C, 0x7F}


@given(st.from_regex(NAME, fullmatch=True))
def test_every_name_of_the_grammar_is_kept(name: str) -> None:
    assert read(f"/image/{ID}/100w/{name}.jpg").name == name


@given(st.text(max_size=100))
@example("../../etc/passwd")
@example("..\\..\\boot.ini")
@example("photo.jpeg.jpg")
@example("\r\nSet-Cookie: x=1.jpg")
@example("\ud800.jpg")
@example("‮gpj.exe")
def test_any_upload_name_becomes_a_name_of_the_grammar(name: str) -> None:
    encoded = file_name(name, "image")
    assert re.fullmatch(NAME, encoded)
    assert str(read(f"/image/{ID}/full/{encoded}.jpg")).endswith(f"/{encoded}.jpg")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("photo.jpg", "photo"),
        ("photo.JPEG", "photo"),
        ("photo.txt", "photo.txt"),
        ("C:\\pictures\\photo.png", "photo"),
        ("/etc/passwd", "passwd"),
        ("../..", "image"),
        ("", "image"),
        (None, "image"),
        (".jpg", "image"),
        ("a b.png", "a%20b"),
        ("Grüße.webp", quote("Grüße")),
        ("a\x00b.gif", "ab"),
        ("x" * 300 + ".jpg", "x" * 60),
    ],
)
def test_an_upload_name_keeps_its_stem(name: str | None, stem: str) -> None:
    assert file_name(name, "image") == stem


def test_what_is_printed_is_what_was_meant() -> None:
    path = ImagePath(ID, Size("crop", 30, 20, (1, 99), 60), "webp", "n", SIGNATURE)
    assert read(str(path)) == path
