"""Base levels: which one a rendition is made from, and that hardly anybody could tell."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import hard
from apomixis_node.about import About, of
from apomixis_node.decode import Limits, examine
from apomixis_node.encode import Encoding
from apomixis_node.formats import JPEG, PNG
from apomixis_node.levels import SIDES, has_levels, level_for, make_levels, name_of
from apomixis_node.render import render, render_level
from apomixis_node.sizes import geometry, parse
from pictures import CORNERS, animation, corners, encoded
from ssim import ssim

PHOTO = About(
    "jpg", 4000, 3000, 1, animated=False, alpha=False, color="", placeholder="", drawn=False
)


@pytest.mark.parametrize(
    ("size", "level"),
    [
        ("200w", 640),
        ("426w", 640),
        ("427w", 1600),
        ("319h", 640),
        ("320h", 1600),
        ("1066w", 1600),
        ("1067w", None),
        ("799h", 1600),
        ("800h", None),
        ("320s", 640),
        ("321s", 1600),
        ("800s", 1600),
        ("801s", None),
        ("426w200hc", 640),
        ("16w", 640),
        ("full", None),
    ],
)
def test_the_smallest_level_that_is_large_enough(size: str, level: int | None) -> None:
    assert level_for(PHOTO, geometry(parse(size), 4000, 3000)) == level


@given(
    st.integers(1, 9000),
    st.integers(1, 9000),
    st.integers(1, 4096),
    st.sampled_from(["s", "w", "h"]),
)
def test_a_level_has_half_as_many_pixels_again(width: int, height: int, n: int, kind: str) -> None:
    wanted = geometry(parse(f"{n}{kind}"), width, height)
    level = level_for(replace(PHOTO, width=width, height=height), wanted)
    if level is not None:
        scale = level / max(width, height)
        left, top, right, bottom = wanted.box
        assert (right - left) * scale >= 1.5 * wanted.width - 1e-6
        assert (bottom - top) * scale >= 1.5 * wanted.height - 1e-6


def about(data: bytes) -> About:
    return of(examine(data, Limits()))


@pytest.mark.parametrize(
    "data",
    [
        encoded(corners(1600, 900), "JPEG"),
        encoded(corners(2000, 900), "PNG"),
        encoded(corners(2000, 900).convert("P"), "PNG"),
        encoded(Image.effect_noise((1700, 20), 60), "PNG"),
        animation("GIF"),
    ],
    ids=["small", "few-colours", "palette", "grey", "animated"],
)
def test_what_has_no_levels(data: bytes) -> None:
    assert not has_levels(about(data))


def levels(data: bytes) -> dict[str, bytes]:
    return {level.name: level.data for level in make_levels(data)}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_levels_are_upright_without_metadata_and_of_their_size(orientation: int) -> None:
    made = levels(encoded(corners(2000, 1001), "JPEG", orientation))
    assert set(made) == {name_of(side, alpha=False) for side in SIDES}
    for side, size in ((1600, (1600, 801)), (640, (640, 320))):
        level = Image.open(io.BytesIO(made[f"level-{side}.jpg"]))
        assert level.size == size
        assert not level.getexif()
        for i, colour in enumerate(CORNERS):
            at = (10 + (i % 2) * (size[0] - 20), 10 + (i // 2) * (size[1] - 20))
            pixel = level.convert("RGB").getpixel(at)
            assert isinstance(pixel, tuple)
            assert max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) < 20


def test_levels_are_the_same_bytes_every_time() -> None:
    data = encoded(hard.photograph(), "JPEG", 6)
    assert make_levels(data) == make_levels(data)


# ---- quality


HARD = [
    (hard.photograph, "JPEG", 0.002),
    (hard.text, "JPEG", 0.005),
    (hard.noise, "JPEG", 0.005),
    (hard.dark, "JPEG", 0.002),
    (hard.edges, "PNG", 0.005),
    (hard.cmyk, "JPEG", 0.002),
    (hard.lines, "JPEG", 0.01),
]


@pytest.mark.parametrize("size", ["200w", "640w", "800w", "300s", "400w300hc"])
@pytest.mark.parametrize(("picture", "pillow", "most"), HARD, ids=[h[0].__name__ for h in HARD])
def test_what_a_level_costs_in_similarity(
    picture: Callable[[], Image.Image], pillow: str, most: float, size: str
) -> None:
    """Against a full decode and Lanczos, after the encoder: a level loses next to nothing more."""
    data = files(picture, pillow)
    known = about(data)
    wanted = geometry(parse(size), known.width, known.height)
    side = level_for(known, wanted)
    assert side is not None
    form = PNG if pillow == "PNG" else JPEG
    direct = render(data, parse(size), form, Encoding())
    level = levels_of(picture, pillow)[name_of(side, alpha=known.alpha)]
    through = render_level(level, known, parse(size), form, Encoding())
    reference = Image.open(io.BytesIO(data)).convert("RGB")
    reference = reference.resize(
        (wanted.width, wanted.height), Image.Resampling.LANCZOS, wanted.box
    )
    if known.alpha:  # transparent pixels have whatever colour
        alpha = [Image.open(io.BytesIO(d)).getchannel("A") for d in (direct, through)]
        assert ssim(*alpha) > 1 - most
        return
    loss = ssim(reference, opened(direct)) - ssim(reference, opened(through))
    assert loss <= most


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


_files: dict[str, bytes] = {}
_levels: dict[str, dict[str, bytes]] = {}


def files(picture: Callable[[], Image.Image], pillow: str) -> bytes:
    """Drawn once."""
    options = {"quality": 92} if pillow == "JPEG" else {"compress_level": 1}
    name = picture.__name__
    return _files.get(name) or _files.setdefault(name, encoded(picture(), pillow, **options))


def levels_of(picture: Callable[[], Image.Image], pillow: str) -> dict[str, bytes]:
    name = picture.__name__
    return _levels.get(name) or _levels.setdefault(name, levels(files(picture, pillow)))
