"""What nginx may answer: exactly the paths that the node takes as they stand, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apomixis_node import canonical
from apomixis_node.access import check_allowed
from apomixis_node.errors import ApiError
from apomixis_node.formats import BY_EXTENSION
from apomixis_node.paths import NAME, read_path
from apomixis_node.settings import Settings

ID = "3f9c0a1b2c3d4e5f60718293a4b5c6d7e8f9aabb"
SIGNATURE = "A-_9" * 5 + "zz"


def site(**given: object) -> Settings:
    return Settings(name="n", secret_file=Path("secret"), **given)  # type: ignore[arg-type]


SITES = [
    site(),
    site(max_side=999, qualities=(60, 75)),
    site(max_side=4000),
    site(sizes=("200s", "300w200hc33x20", "full")),
    site(sizes=("200s", "4000w")),
    site(signing_keys=Path("keys")),
    site(signing_keys=Path("keys"), sizes=("full",)),
    site(signing_keys=Path("keys"), sizes=("full", "300w")),
]


def number() -> st.SearchStrategy[str]:
    return st.one_of(
        st.integers(0, 99_999).map(str),
        st.sampled_from(
            ["50", "100", "101", "999", "1000", "4000", "4001", "4096", "4097", "0100"]
        ),
    )


FOCUS = st.one_of(st.just(""), st.builds("{}x{}".format, number(), number()), st.just("50x50"))
QUALITY = st.one_of(
    st.just(""), st.builds("q{}".format, st.sampled_from(["60", "75", "61", "060"]))
)
SIZES = st.one_of(
    st.sampled_from(["full", "200s", "300w200hc33x20", "300w", "4000w"]),
    st.builds("{}s{}{}".format, number(), FOCUS, QUALITY),
    st.builds("{}{}{}".format, number(), st.sampled_from("whsx"), QUALITY),
    st.builds("{}w{}h{}".format, number(), number(), QUALITY),
    st.builds("{}w{}hc{}{}".format, number(), number(), FOCUS, QUALITY),
    st.builds("{}h{}w".format, number(), number()),
    st.text(alphabet="0123456789wshcqx", max_size=12),
)
NAMES = st.one_of(st.from_regex(NAME, fullmatch=True), st.text(st.characters(max_codepoint=255)))
EXTENSIONS = st.sampled_from([*BY_EXTENSION, "auto", "jpeg", "JPG", "tif", "svg", "auto.jpg"])
IDS = st.sampled_from([ID, ID.upper(), ID[1:], ID + "0", ID[:-3] + "%33"])
SIGNED = st.sampled_from(["", "", f"{SIGNATURE}/", f"{SIGNATURE[1:]}/", "x/"])


def taken_as_it_is(path: str, settings: Settings) -> bool:
    """Whether the node serves this path itself, without a redirect; as signed, if it must be."""
    try:
        read = read_path(
            path.encode("latin-1"), max_side=settings.max_side, qualities=settings.qualities
        )
        check_allowed(str(read.size), settings.sizes)
    except ApiError:
        return False
    if settings.signing_keys and (read.size.kind == "full" or not read.signature):
        return False
    return str(read) == path


@given(
    settings=st.sampled_from(SITES),
    path=st.builds("/image/{}/{}/{}{}.{}".format, IDS, SIZES, SIGNED, NAMES, EXTENSIONS),
)
def test_a_pattern_matches_what_the_node_takes_as_it_is(settings: Settings, path: str) -> None:
    wanted = taken_as_it_is(path, settings)
    extension = path.rpartition(".")[2]
    signed = re.search(f"/{SIGNATURE}/", path) and not settings.signing_keys
    form = BY_EXTENSION.get(extension)
    expected = {
        canonical.rendition: form is not None and form.writable,
        canonical.automatic: extension == "auto",
        canonical.original: form is not None and "/full/" in path,
    }
    for pattern, by_extension in expected.items():
        text = pattern(settings)
        matched = text is not None and re.fullmatch(text, path, re.ASCII) is not None
        # A signature where none is asked for is ignored by the node; nginx leaves that to it.
        assert matched == bool(wanted and by_extension and not signed), (pattern, path)


@pytest.mark.parametrize("most", [1, 9, 10, 99, 100, 1000, 1999, 4096, 9999])
def test_numbers_up_to(most: int) -> None:
    form = re.compile(canonical.up_to(most))
    assert all(bool(form.fullmatch(str(n))) == (1 <= n <= most) for n in range(11_000))
    assert not form.fullmatch("01")


def test_the_parts_of_a_path_have_names() -> None:
    found = re.fullmatch(
        canonical.rendition(site(signing_keys=Path("keys"))),
        f"/image/{ID}/300w200hc33x20/{SIGNATURE}/caf%C3%A9.x.jpg",
    )
    assert found
    assert found.groupdict() == {
        "id": ID,
        "part": "3f9",
        "size": "300w200hc33x20",
        "signature": SIGNATURE,
        "name": "caf%C3%A9.x",
        "extension": "jpg",
    }


def test_originals_have_no_pattern_where_each_request_is_looked_at() -> None:
    assert canonical.original(site(signing_keys=Path("keys"))) is None
    assert canonical.original(site(sizes=("300w",))) is None
