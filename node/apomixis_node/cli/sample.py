"""The picture that the demo draws: a colour per corner, a pattern, and EXIF as a camera writes it.

The corners show that nothing is cut off or turned; the position in its EXIF shows that renditions
don't carry it on. It is stored lying on its side (orientation 6), as telephones do.
"""

from __future__ import annotations

import io

from PIL import ExifTags, Image, ImageDraw, ImageFont

UPRIGHT = (1600, 1200)
CORNER = 180
CORNERS = {  # of the upright picture
    "red": (0, 0),
    "gold": (UPRIGHT[0] - CORNER, 0),
    "green": (0, UPRIGHT[1] - CORNER),
    "blue": (UPRIGHT[0] - CORNER, UPRIGHT[1] - CORNER),
}
ORIENTATION = 6  # shown after a quarter turn clockwise
MAKE, MODEL = "Apomixis", "Sample Camera 1"


def sample() -> bytes:
    """The picture as a JPEG, the same bytes each time: 1200 x 1600 stored, 1600 x 1200 shown."""
    picture = Image.new("RGB", UPRIGHT)
    draw = ImageDraw.Draw(picture)
    _rings(draw)
    _corners(draw)
    _words(draw)
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    buffer = io.BytesIO()
    lying.save(buffer, "JPEG", quality=90, exif=_exif())
    return buffer.getvalue()


def _rings(draw: ImageDraw.ImageDraw) -> None:
    width, height = UPRIGHT
    for step in range(60, 0, -1):
        shade = (34 + step * 3, 60 + step * 2, 94 + step)
        radius = step * 20
        box = (width / 2 - radius, height / 2 - radius, width / 2 + radius, height / 2 + radius)
        draw.ellipse(box, fill=shade if step % 2 else tuple(255 - c // 3 for c in shade))


def _corners(draw: ImageDraw.ImageDraw) -> None:
    for colour, (left, top) in CORNERS.items():
        draw.rectangle((left, top, left + CORNER - 1, top + CORNER - 1), fill=colour)


def _words(draw: ImageDraw.ImageDraw) -> None:
    width, height = UPRIGHT
    draw.rounded_rectangle(
        (width / 2 - 520, height / 2 - 130, width / 2 + 520, height / 2 + 130), 40, fill="white"
    )
    draw.text(
        (width / 2, height / 2 - 30),
        "this side up",
        fill="#222222",
        font=ImageFont.load_default(150),
        anchor="mm",
    )
    draw.text(
        (width / 2, height / 2 + 85),
        "red · gold · green · blue: the four corners",
        fill="#555555",
        font=ImageFont.load_default(40),
        anchor="mm",
    )


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = MAKE
    exif[ExifTags.Base.Model] = MODEL
    exif[ExifTags.Base.Orientation] = ORIENTATION
    exif[ExifTags.Base.DateTime] = "2024:05:17 09:30:00"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.BodySerialNumber] = "SN-0042"
    details[ExifTags.Base.ExposureTime] = 0.004
    details[ExifTags.Base.ISOSpeedRatings] = 100
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef] = "N"
    place[ExifTags.GPS.GPSLatitude] = (48.0, 12.0, 30.0)
    place[ExifTags.GPS.GPSLongitudeRef] = "E"
    place[ExifTags.GPS.GPSLongitude] = (16.0, 22.0, 15.0)
    return exif
