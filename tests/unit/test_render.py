"""Renditions of pictures whose corner colours prove geometry and orientation."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms

from apomixis_node.encode import Encoding
from apomixis_node.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from apomixis_node.render import choose, render
from apomixis_node.sizes import geometry, parse
from pictures import CORNERS, animation, corners, encoded

WIDTH, HEIGHT = 80, 40
READABLE = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")
WRITTEN = (JPEG, PNG, WEBP, AVIF, GIF)


def rendered(data: bytes, size: str, form: Format = PNG) -> Image.Image:
    return Image.open(io.BytesIO(render(data, parse(size), form, Encoding())))


def near(found: object, wanted: tuple[int, ...], by: int = 90) -> bool:
    assert isinstance(found, tuple)
    return bool(sum(abs(a - b) for a, b in zip(found, wanted, strict=True)) < by)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("source", READABLE)
@pytest.mark.parametrize("size", ["20s", "40w", "30h", "40w30h", "20w20hc0x0", "full"])
def test_size_and_orientation(source: str, orientation: int, size: str) -> None:
    data = encoded(corners(WIDTH, HEIGHT), source, orientation)
    shown = rendered(data, size).convert("RGB")
    wanted = geometry(parse(size), WIDTH, HEIGHT)
    assert shown.size == (wanted.width, wanted.height)
    columns = 1 if size == "20w20hc0x0" else 2
    for row in range(2):
        for column in range(columns):
            x, y = 2 + column * (shown.width - 5), 2 + row * (shown.height - 5)
            assert near(shown.getpixel((x, y)), CORNERS[row * 2 + column])


@pytest.mark.parametrize("form", WRITTEN, ids=lambda f: f.extension)
def test_every_format_out(form: Format) -> None:
    data = encoded(corners(WIDTH, HEIGHT), "PNG")
    shown = rendered(data, "40w", form)
    assert shown.format == form.pillow
    assert near(shown.convert("RGB").getpixel((2, 2)), CORNERS[0])
    assert render(data, parse("40w"), form, Encoding()) == render(
        data, parse("40w"), form, Encoding()
    )


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "RGBA", "LA", "I;16"])
def test_every_mode_becomes_srgb(mode: str) -> None:
    if mode == "I;16":
        picture = Image.new("I;16", (WIDTH, HEIGHT), 257 * 128)
    elif mode in ("LA", "RGBA"):
        picture = corners(WIDTH, HEIGHT).convert(mode)
    else:
        picture = corners(WIDTH, HEIGHT).convert(mode)
    data = encoded(picture, "TIFF" if mode in ("CMYK", "I;16") else "PNG")
    shown = rendered(data, "40w", JPEG)
    assert shown.mode in ("RGB", "L")
    if mode == "I;16":
        assert near((shown.getpixel((5, 5)),), (128,), 4)


def test_alpha_lies_on_white_in_a_jpeg() -> None:
    data = encoded(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG")
    assert rendered(data, "20w", JPEG).convert("RGB").getpixel((9, 9)) == (255, 255, 255)


def test_transparent_pixels_do_not_bleed() -> None:
    picture = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 20, 40))
    shown = rendered(encoded(picture, "PNG"), "10w").convert("RGBA")
    assert all(p[0] < 40 for y in range(10) for x in range(5) if (p := shown.getpixel((x, y)))[3])  # type: ignore[index]


@pytest.mark.parametrize("source", ["GIF", "WEBP"])
def test_animation_is_kept_where_it_can_be(source: str) -> None:
    data = animation(source)
    assert getattr(rendered(data, "20w", GIF), "n_frames", 1) == 3
    assert getattr(rendered(data, "20w", WEBP), "n_frames", 1) == 3
    assert getattr(rendered(data, "20w", PNG), "n_frames", 1) == 1


def test_no_metadata_is_left() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = corners(WIDTH, HEIGHT)
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif, icc_profile=profile, comment=b"SECRETCOMMENT")
    for form in WRITTEN:
        data = render(out.getvalue(), parse("40w"), form, Encoding())
        assert b"SECRET" not in data
        assert "icc_profile" not in Image.open(io.BytesIO(data)).info


@pytest.mark.parametrize(
    ("accept", "animated", "alpha", "wanted"),
    [
        ("image/avif,image/webp,*/*", False, False, AVIF),
        ("image/avif;q=0,image/webp", False, True, WEBP),
        ("image/webp;q=0.0", False, False, JPEG),
        ("*/*", False, True, PNG),
        ("image/*", False, False, JPEG),
        (None, False, False, JPEG),
        ("image/avif", True, False, WEBP),
        ("", True, True, GIF),
    ],
)
def test_auto(accept: str | None, animated: bool, alpha: bool, wanted: Format) -> None:
    assert choose(accept, animated=animated, alpha=alpha) is wanted
