"""Golden renditions: sizes by formats by orientations, and what a camera's file may hold besides.

The pictures are drawn so that a wrong crop, turn, colour or profile shows in a pixel; nothing is
compared with a file that an earlier version of the same code had made.
"""

from __future__ import annotations

import io
import multiprocessing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin

from apomixis_node.decode import Limits, examine
from apomixis_node.encode import Encoding
from apomixis_node.formats import AVIF, BY_EXTENSION, GIF, JPEG, PNG, WEBP, WRITABLE, Format
from apomixis_node.render import pipeline_tag, render
from apomixis_node.sizes import parse
from pictures import BLUE, CORNERS, GREEN, RED, YELLOW, animation, corners, encoded
from profiles import wide_gamut

if TYPE_CHECKING:
    from collections.abc import Sequence

TAKEN = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP")
TURNABLE = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")
LEFT, RIGHT = (RED, RED, BLUE, BLUE), (GREEN, GREEN, YELLOW, YELLOW)
TOP, BOTTOM = (RED, GREEN, RED, GREEN), (BLUE, YELLOW, BLUE, YELLOW)
# Of 200 x 100 as it is shown: size, what comes, and the colours of its corners.
GOLDEN = (
    ("100s", (100, 100), CORNERS),
    ("100w", (100, 50), CORNERS),
    ("100h", (200, 100), CORNERS),
    ("200w100h", (200, 100), CORNERS),
    ("100w200h", (100, 50), CORNERS),
    ("100w50hc", (100, 50), CORNERS),
    ("50w100hc", (50, 100), CORNERS),
    ("40s0x50", (40, 40), LEFT),
    ("40s100x50", (40, 40), RIGHT),
    ("80w10hc50x0", (80, 10), TOP),
    ("80w10hc50x100", (80, 10), BOTTOM),
    ("4096w4096h", (200, 100), CORNERS),
    ("full", (200, 100), CORNERS),
)
# The rest of the table of sizes: what is shown, and what each column makes of it.
COLUMNS = ("100s", "100w", "100h", "200w100h", "100w200h", "100w50hc")
OTHERS = {
    (300, 400): ("100x100", "100x133", "75x100", "75x100", "100x133", "100x50"),
    (20, 20): ("20x20", "20x20", "20x20", "20x20", "20x20", "20x10"),
    (940, 2): ("2x2", "100x1", "940x2", "200x1", "100x1", "4x2"),
    (4000, 500): ("100x100", "100x13", "800x100", "200x25", "100x13", "100x50"),
    (533, 800): ("100x100", "100x150", "67x100", "67x100", "100x150", "100x50"),
}


def made(data: bytes, size: str, form: Format = PNG) -> Image.Image:
    picture = Image.open(io.BytesIO(render(data, parse(size), form, Encoding())))
    picture.load()
    return picture


def off(picture: Image.Image, colours: Sequence[tuple[int, int, int]]) -> int:
    """The largest error of a channel at the four corners, a little inside them."""
    pixels = np.asarray(picture.convert("RGB"), np.int16)
    rows, columns = (picture.height // 8, -1 - picture.height // 8), (picture.width // 8,)
    found = [pixels[y, x] for y in rows for x in (columns[0], -1 - columns[0])]
    return int(np.abs(np.array(found) - np.array(colours)).max())


@pytest.mark.parametrize(
    ("source", "orientation"),
    [
        (source, turned)
        for source in TAKEN
        for turned in (range(1, 9) if source in TURNABLE else (1,))
    ],
)
def test_every_size_of_every_format_in_every_orientation(source: str, orientation: int) -> None:
    data = encoded(corners(200, 100), source, orientation)
    for size, pixels, colours in GOLDEN:
        picture = made(data, size)
        assert picture.size == pixels, size
        assert off(picture, colours) < 48, size


@pytest.mark.parametrize("form", WRITABLE, ids=lambda f: f.extension)
@pytest.mark.parametrize("source", TAKEN)
def test_every_format_becomes_every_format(source: str, form: Format) -> None:
    data = encoded(corners(200, 100), source)
    picture = made(data, "100w", form)
    assert (picture.format, picture.size) == (form.pillow, (100, 50))
    assert off(picture, CORNERS) < 48


@pytest.mark.parametrize(("width", "height"), OTHERS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_other_rows_of_the_table(width: int, height: int, orientation: int) -> None:
    data = encoded(corners(width, height), "JPEG", orientation)
    for size, wanted in zip(COLUMNS, OTHERS[width, height], strict=True):
        picture = made(data, size)
        assert f"{picture.width}x{picture.height}" == wanted
        assert min(picture.size) < 10 or off(picture, CORNERS) < 48, size


@pytest.mark.parametrize("form", WRITABLE, ids=lambda f: f.extension)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_wide_gamut_becomes_srgb(source: str, form: Format) -> None:
    """Full red of a wider space is outside sRGB; half of its grey is the same grey."""
    profile = wide_gamut()
    halves = Image.new("RGB", (80, 40), (200, 100, 100))
    halves.paste((128, 128, 128), (40, 0, 80, 40))
    options = {"lossless": True} if source == "WEBP" else {}
    data = encoded(halves, source, icc_profile=profile, **options)
    srgb = ImageCms.createProfile("sRGB")
    wanted = ImageCms.profileToProfile(
        halves, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, outputMode="RGB"
    )
    assert wanted is not None
    picture = made(data, "40w", form)
    assert "icc_profile" not in picture.info
    red, grey = (np.asarray(wanted)[20, x].astype(int) for x in (10, 70))
    found = np.asarray(picture.convert("RGB")).astype(int)
    assert red[0] > 215, "the profile must make a difference, or this proves nothing"
    assert np.abs(found[10, 5] - red).max() < 12
    assert np.abs(found[10, 35] - grey).max() < 12


def test_an_unusable_profile_is_ignored() -> None:
    data = encoded(corners(80, 40), "PNG", icc_profile=b"no profile at all")
    assert off(made(data, "40w"), CORNERS) < 8


@pytest.mark.parametrize(
    ("mode", "source"),
    [
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("P", "BMP"),
        ("P", "TIFF"),
        ("RGBA", "WEBP"),
        ("RGBA", "TIFF"),
        ("RGBA", "AVIF"),
    ],
)
@pytest.mark.parametrize("size", ["40w", "full"])
def test_colours_stay_what_they_are_in_every_mode(mode: str, source: str, size: str) -> None:
    data = encoded(corners(80, 40, mode), source)
    for form in (JPEG, PNG, WEBP):
        assert off(made(data, size, form), CORNERS) < 48, form.extension


@pytest.mark.parametrize("source", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_keep_their_greys(source: str) -> None:
    steps = np.linspace(0, 65535, 5).astype(np.uint16)
    data = encoded(Image.fromarray(np.repeat(np.repeat(steps, 16)[None], 40, 0)), source)
    for size in ("40w", "full"):
        picture = made(data, size).convert("L")
        places = [int((i + 0.5) * picture.width / 5) for i in range(5)]
        found = np.asarray(picture).astype(int)[picture.height // 2, places]
        assert np.abs(found - np.array([0, 64, 128, 191, 255])).max() <= 3
    assert examine(data, Limits()).color in ("#7f7f7f", "#808080", "#7e7e7e", "#818181")


@pytest.mark.parametrize("source", ["PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_what_is_transparent_is_white_in_a_jpeg_and_stays_so_elsewhere(source: str) -> None:
    clear = corners(80, 40, "RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 40, 40))
    data = encoded(clear, source)
    assert off(made(data, "40w", JPEG), ((255, 255, 255), GREEN, (255, 255, 255), YELLOW)) < 48
    for form in (PNG, WEBP, AVIF, GIF):
        alpha = np.asarray(made(data, "40w", form).convert("RGBA"))[..., 3]
        assert (alpha[10, 4], alpha[10, 35]) == (0, 255), form.extension


def test_a_palette_with_one_clear_colour_keeps_it() -> None:
    palette = corners(80, 40, "P")
    data = encoded(palette, "PNG", transparency=palette.getpixel((2, 2)))
    alpha = np.asarray(made(data, "40w").convert("RGBA"))[..., 3]
    assert (alpha[5, 5], alpha[5, 35]) == (0, 255)


@pytest.mark.parametrize("form", WRITABLE, ids=lambda f: f.extension)
def test_a_phones_multi_picture_file_is_its_first_picture(form: Format) -> None:
    preview = Image.new("RGB", (40, 20), "black")
    data = encoded(corners(200, 100), "MPO", save_all=True, append_images=[preview])
    header = examine(data, Limits()).header
    assert (header.format, header.animated, header.width) == (JPEG, False, 200)
    picture = made(data, "100w", form)
    assert getattr(picture, "n_frames", 1) == 1
    assert off(picture, CORNERS) < 48


@pytest.mark.parametrize("form", [GIF, WEBP], ids=lambda f: f.extension)
@pytest.mark.parametrize("source", ["GIF", "WEBP"])
def test_an_animation_keeps_its_frames_their_order_and_their_time(
    source: str, form: Format
) -> None:
    picture = made(animation(source, 4), "20w", form)
    greens = []
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        picture.load()
        assert picture.info["duration"] == 80
        assert picture.size == (20, 10)
        greens.append(int(np.asarray(picture.convert("RGB"))[5, 10, 1]))
    assert greens == sorted(greens)
    assert len(set(greens)) == 4


def secretive() -> dict[str, bytes]:
    """Pictures with a position, a serial number, a comment, XMP and a profile in them."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SECRETmake"
    exif[ExifTags.Base.Copyright] = "SECRETowner"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.BodySerialNumber] = "SECRETserial"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSAreaInformation] = b"SECRETplace"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRETxmp</x:xmpmeta>"
    picture, profile = corners(80, 40), wide_gamut()
    every: dict[str, Any] = {"exif": exif, "icc_profile": profile}
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRETtext")
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270], tags[700] = "SECRETdescription", xmp
    moving = [corners(80, 40), corners(80, 40).rotate(180)]
    return {
        "jpg": encoded(picture, "JPEG", **every, comment=b"SECRETcomment", xmp=xmp),
        "png": encoded(picture, "PNG", **every, pnginfo=text),
        "webp": encoded(picture, "WEBP", **every, xmp=xmp),
        "avif": encoded(picture, "AVIF", **every, xmp=xmp),
        "tiff": encoded(picture, "TIFF", tiffinfo=tags, icc_profile=profile),
        "gif": encoded(moving[0], "GIF", save_all=True, append_images=moving[1:], comment="SECRET"),
    }


@pytest.mark.parametrize("source", ["jpg", "png", "webp", "avif", "tiff", "gif"])
def test_nothing_of_the_camera_or_the_place_is_left(source: str) -> None:
    data = secretive()[source]
    assert b"SECRET" in data
    assert BY_EXTENSION[source] is examine(data, Limits()).header.format
    for form in WRITABLE:
        for size in ("40w", "full"):
            out = render(data, parse(size), form, Encoding())
            assert b"SECRET" not in out
            assert b"Exif" not in out
            picture = Image.open(io.BytesIO(out))
            assert not dict(picture.getexif())
            kept = {"icc_profile", "exif", "xmp", "comment", "Comment", "XML:com.adobe.xmp"}
            assert not kept & set(picture.info), form.extension


def test_the_same_request_gives_the_same_bytes_in_every_process() -> None:
    sources = (
        encoded(Image.effect_mandelbrot((640, 480), (-2, -1.5, 1, 1.5), 60), "JPEG"),
        encoded(corners(200, 100, "RGBA"), "PNG"),
        animation("GIF", 4),
    )
    requests = [
        (data, parse(size), form, Encoding())
        for data in sources
        for size in ("100w", "64s", "full")
        for form in WRITABLE
    ]
    runs = []
    for _ in range(2):
        with multiprocessing.get_context("spawn").Pool(1) as another:
            runs.append(another.starmap(render, requests))
    assert len(runs[0]) == 45
    assert runs[0] == runs[1] == [render(*request) for request in requests]


def test_other_settings_have_another_folder() -> None:
    tags = {pipeline_tag(Encoding()), pipeline_tag(Encoding(jpeg_quality=70))}
    assert len(tags) == 2
    assert pipeline_tag(Encoding()) in tags
