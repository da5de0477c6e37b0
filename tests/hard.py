"""Pictures that suffer from being made smaller twice, and those that hardly do."""

from __future__ import annotations

from PIL import Image, ImageDraw


def photograph() -> Image.Image:
    """Detail at every scale, in colour."""
    bands = [sum_of_noise() for _ in range(3)]
    return Image.merge("RGB", bands)


def sum_of_noise() -> Image.Image:
    size = (2400, 1800)
    picture = Image.new("L", size, 128)
    for step in (2, 8, 32, 128, 512):
        small = Image.effect_noise((size[0] // step + 1, size[1] // step + 1), 60)
        picture = Image.blend(picture, small.resize(size, Image.Resampling.BICUBIC), 0.45)
    return picture


def text() -> Image.Image:
    picture = Image.new("RGB", (2400, 1800), "white")
    draw = ImageDraw.Draw(picture)
    for row in range(60):
        line = "It was measured, and the numbers are in the table. " * 8
        draw.text((20, row * 30), f"{row} {line}", fill=(20, 20, 20), font_size=22)
    return picture


def noise() -> Image.Image:
    return Image.effect_noise((2400, 1800), 60).convert("RGB")


def dark() -> Image.Image:
    return Image.linear_gradient("L").resize((2400, 1800)).point(lambda v: v // 6).convert("RGB")


def lines() -> Image.Image:
    picture = Image.new("RGB", (2400, 1800), "white")
    draw = ImageDraw.Draw(picture)
    for i in range(0, 4200, 25):
        draw.line((i, 0, i - 1800, 1800), fill="black")
    return picture


def edges() -> Image.Image:
    picture = photograph()
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).ellipse((200, 200, 2200, 1600), fill=255)
    picture.putalpha(mask)
    return picture


def cmyk() -> Image.Image:
    return photograph().convert("CMYK")
