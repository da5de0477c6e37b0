"""Image URLs: what is one, what is redirected, and what can't become a header."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apomixis_node.errors import ApiError
from apomixis_node.paths import ImagePath, file_name, read_path

ID = "3f9c" + "0" * 36


def parsed(text: str) -> ImagePath:
    return read_path(text.encode("latin-1"), max_side=4096, qualities=(60,))


@pytest.mark.parametrize(
    ("asked", "canonical"),
    [
        ("300w/a.jpg", "300w/a.jpg"),
        ("0300w/a.jpg", "300w/a.jpg"),
        ("200h300w/a.jpg", "300w200h/a.jpg"),
        ("300w200hc50x50/a.jpg", "300w200hc/a.jpg"),
        ("200s33x20/a.jpg", "200s33x20/a.jpg"),
        ("300wq60/a.webp", "300wq60/a.webp"),
        ("full/a.jpeg", "full/a.jpg"),
        ("full/a.JPG", "full/a.jpg"),
        ("full/a.tif", "full/a.tiff"),
        ("full/a.auto", "full/a.auto"),
        ("full/a.b.c.png", "full/a.b.c.png"),
        ("full/%C3%A9t%C3%A9.png", "full/%C3%A9t%C3%A9.png"),
        ("full/" + "A" * 22 + "/a.png", "full/" + "A" * 22 + "/a.png"),
    ],
)
def test_the_canonical_form(asked: str, canonical: str) -> None:
    assert str(parsed(f"/image/{ID}/{asked}")) == f"/image/{ID}/{canonical}"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (f"/image/{ID}/300w/", "bad_path"),
        (f"/image/{ID}/300w/a", "bad_path"),
        (f"/image/{ID}/300w/a.exe", "bad_path"),
        (f"/image/{ID}/300w/a/b.jpg", "bad_path"),
        (f"/image/{ID}/300w/%2e%2e%2fa.jpg", "bad_path"),
        (f"/image/{ID}/300w/a%0d%0aSet-Cookie:x.jpg", "bad_path"),
        (f"/image/{ID}/300w/a%00.jpg", "bad_path"),
        (f"/image/{ID}/300w/a%5cb.jpg", "bad_path"),
        (f"/image/{ID}/300w/a%7f.jpg", "bad_path"),
        (f"/image/{ID}/300w/a%zz.jpg", "bad_path"),
        (f"/image/{ID}/300w/a b.jpg", "bad_path"),
        (f'/image/{ID}/300w/a".jpg', "bad_path"),
        (f"/image/{ID}/300w/{'a' * 201}.jpg", "bad_path"),
        (f"//image/{ID}/300w/a.jpg", "bad_path"),
        (f"/x/../image/{ID}/300w/a.jpg", "bad_path"),
        (f"/image/{ID[:-1]}/300w/a.jpg", "bad_id"),
        (f"/image/{ID.upper()}/300w/a.jpg", "bad_id"),
        (f"/image/{ID}/300x/a.jpg", "bad_size"),
        (f"/image/{ID}/0w/a.jpg", "bad_size"),
        (f"/image/{ID}/4097w/a.jpg", "bad_size"),
        (f"/image/{ID}/300wq61/a.jpg", "bad_size"),
        (f"/image/{ID}/full50x50/a.jpg", "bad_size"),
        (f"/image/{ID}//a.jpg", "bad_size"),
    ],
)
def test_what_is_refused(asked: str, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        parsed(asked)
    assert refused.value.code == code
    assert refused.value.status == 400


@given(st.text(max_size=80))
def test_any_path_is_parsed_or_a_400(text: str) -> None:
    status = 400
    try:
        path = parsed(f"/image/{ID}/300w/{quote(text, safe='/%')}.jpg")
        assert "\r" not in path.disposition
        assert str(parsed(str(path))) == str(path)
    except ApiError as refused:
        status = refused.status
    assert status == 400


@given(st.none() | st.text(max_size=300))
def test_any_file_name_makes_a_url(name: str | None) -> None:
    made = file_name(name, "image")
    assert str(parsed(f"/image/{ID}/full/{made}.jpg")).endswith(f"/{made}.jpg")
    assert b"/" not in unquote_to_bytes(made)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("holiday.jpg", "holiday"),
        ("C:\\fotos\\été.JPEG", "%C3%A9t%C3%A9"),
        ("../../etc/passwd", "passwd"),
        ("a.tar.gz", "a.tar.gz"),
        ("", "image"),
        (None, "image"),
        ("...", "image"),
        ("<script>.png", "%3Cscript%3E"),
        ("a\r\nb.png", "ab"),
    ],
)
def test_names_for_people(name: str | None, made: str) -> None:
    assert file_name(name, "image") == made
