"""The size grammar and its arithmetic, as one large table and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apomixis_node.sizes import BadSize, Size, geometry, parse

COLUMNS = ("100s", "100w", "100h", "200w100h", "100w200h", "100w50hc")
TABLE = {
    (200, 100): ("100x100", "100x50", "200x100", "200x100", "100x50", "100x50"),
    (300, 400): ("100x100", "100x133", "75x100", "75x100", "100x133", "100x50"),
    (20, 20): ("20x20", "20x20", "20x20", "20x20", "20x20", "20x10"),
    (940, 2): ("2x2", "100x1", "940x2", "200x1", "100x1", "4x2"),
    (4000, 500): ("100x100", "100x13", "800x100", "200x25", "100x13", "100x50"),
    (533, 800): ("100x100", "100x150", "67x100", "67x100", "100x150", "100x50"),
}
CANONICAL = {
    "full": "full",
    "200s": "200s",
    "0100w": "100w",
    "200h300w": "300w200h",
    "200h300wc": "300w200hc",
    "300w200hc50x50": "300w200hc",
    "300w200hc33x20": "300w200hc33x20",
    "200s033x20": "200s33x20",
    "300wq60": "300wq60",
}
BAD = (
    *("", "0w", "4097w", "300", "w", "300W", "-1w", "1.5w", "300w200", "300wc", "300ws", "fulll"),
    *("300w200hc101x0", "300w33x20", "300wq61", "fullq60", "300w 200h", "٣w", "9" * 5000 + "w"),
)
sides = st.integers(1, 5000)
sizes = st.one_of(
    st.builds(lambda n: f"{n}s", st.integers(1, 4096)),
    st.builds(lambda n: f"{n}w", st.integers(1, 4096)),
    st.builds(lambda n: f"{n}h", st.integers(1, 4096)),
    st.builds(lambda n, m: f"{n}w{m}h", st.integers(1, 4096), st.integers(1, 4096)),
    st.builds(lambda n, m: f"{n}w{m}hc", st.integers(1, 4096), st.integers(1, 4096)),
)
focuses = st.tuples(st.integers(0, 100), st.integers(0, 100))


@pytest.mark.parametrize(
    ("original", "size", "wanted"),
    [(o, s, w) for o, row in TABLE.items() for s, w in zip(COLUMNS, row, strict=True)],
)
def test_every_row_of_the_table(original: tuple[int, int], size: str, wanted: str) -> None:
    found = geometry(parse(size), *original)
    assert f"{found.width}x{found.height}" == wanted


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_a_size_has_one_canonical_form(text: str, canonical: str) -> None:
    assert str(parse(text, qualities=(60,))) == canonical


@pytest.mark.parametrize("text", BAD)
def test_a_bad_size_shows_the_grammar(text: str) -> None:
    with pytest.raises(BadSize, match="300w200hc") as refused:
        parse(text, qualities=(60,))
    assert len(str(refused.value)) < 2000


@given(sizes, sides, sides, focuses)
def test_nothing_is_enlarged_and_all_stays_inside(
    text: str, width: int, height: int, focus: tuple[int, int]
) -> None:
    size = parse(text)
    if size.kind in ("square", "crop"):
        size = Size(size.kind, size.width, size.height, focus)
    found = geometry(size, width, height)
    left, top, right, bottom = found.box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert 1 <= found.width <= right - left
    assert 1 <= found.height <= bottom - top
    if size.kind == "square":
        assert found.width == found.height
    if size.width and size.kind != "height":
        assert found.width <= size.width
    if size.height and size.kind != "width":
        assert found.height <= size.height


@given(sizes)
def test_the_canonical_form_reads_as_itself(text: str) -> None:
    assert str(parse(str(parse(text)))) == str(parse(text))


@given(st.text(max_size=40))
def test_any_text_is_a_size_or_a_bad_one(text: str) -> None:
    said = "Bad size"
    try:
        parse(text)
    except BadSize as refused:
        said = str(refused)
    assert "Bad size" in said
