"""Opening pictures that may be hostile: limits before pixels, and a sentence for what is wrong."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from apomixis_node.colour import to_srgb
from apomixis_node.errors import ApiError
from apomixis_node.formats import BY_EXTENSION, BY_PILLOW, Format

try:
    import pillow_heif
except ImportError:
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()

# Our own check of width x height x frames, before decoding, takes the place of Pillow's.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False

MAX_SIDE = 65_535
MAX_FRAMES = 2_000
ORIENTATION = 0x0112
SIDEWAYS = frozenset({5, 6, 7, 8})
OPENABLE = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP") + (
    ("HEIF",) if pillow_heif else ()
)
PLACEHOLDER_SIDE = 16
FEW_COLOURS = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_pixels` bounds width x height x frames; `formats` are extensions that are taken."""

    max_pixels: int = 100_000_000
    formats: tuple[str, ...] = tuple(BY_EXTENSION)


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says: oriented width and height in pixels, frames that will be shown."""

    format: Format
    width: int
    height: int
    frames: int
    animated: bool
    alpha: bool

    @property
    def pixels(self) -> int:
        """Pixels of all frames."""
        return self.width * self.height * self.frames


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that decodes: header, mean colour `#rrggbb`, a 16-pixel WebP as a data URI.

    `drawn`: of few colours, as line art is.
    """

    header: Header
    color: str
    placeholder: str
    drawn: bool


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """The picture in `data`, by content. Whatever goes wrong inside is a 415 or 422."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=OPENABLE)
        except UnidentifiedImageError as wrong:
            if _begins_like_a_picture(data):
                raise _broken(wrong) from wrong
            detail = "These bytes are no picture in a format taken here."
            raise ApiError("unsupported_format", detail) from None
        except Exception as wrong:
            raise _broken(wrong) from wrong
        with image:
            try:
                yield image
            except (ApiError, MemoryError):
                raise
            except Exception as wrong:
                raise _broken(wrong) from wrong


def _begins_like_a_picture(data: bytes) -> bool:
    """Whether the first bytes are those of a format taken here, whatever comes after them."""
    start = data[:16]
    if start[8:12] in (b"mif1", b"msf1"):  # containers, of HEIC more often than of AVIF
        return False
    accepts = [Image.OPEN[name][1] for name in OPENABLE]
    return any(accept(start) is True for accept in accepts if accept)


def _broken(wrong: Exception) -> ApiError:
    if isinstance(wrong, UnidentifiedImageError):
        detail = "The picture is broken or truncated right at its beginning; send it whole."
        return ApiError("broken_image", detail)
    return ApiError("broken_image", f"The picture is broken or truncated ({wrong}); send it whole.")


def inspect(data: bytes, limits: Limits) -> Header:
    """Look at the header only.

    Raises ApiError `unsupported_format` (415), `broken_image` or `too_many_pixels` (422).
    """
    with opened(data) as image:
        return header_of(image, limits)


def header_of(image: Image.Image, limits: Limits) -> Header:
    """The header of an open picture, once it is within the limits."""
    form = BY_PILLOW[image.format or ""]
    if form.extension not in limits.formats:
        taken = ", ".join(limits.formats)
        raise ApiError("unsupported_format", f"{form.pillow} is not taken here; send {taken}.")
    width, height = image.size
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ApiError("too_many_pixels", f"{width} x {height} is too large; send a smaller one.")
    _within(width, height, 1, limits)
    frames = _frames(image, form, limits)
    _within(width, height, frames, limits)
    if orientation(image) in SIDEWAYS:
        width, height = height, width
    return Header(form, width, height, frames, frames > 1, has_alpha(image))


def _within(width: int, height: int, frames: int, limits: Limits) -> None:
    if width * height * frames > limits.max_pixels:
        raise ApiError(
            "too_many_pixels",
            f"{width} x {height} x {frames} frames is more than {limits.max_pixels} pixels; "
            "send a smaller picture.",
        )


def _frames(image: Image.Image, form: Format, limits: Limits) -> int:
    """Frames that will be shown. A GIF must be walked to know: never past the limits."""
    if not form.animates:
        return 1
    if form.pillow != "GIF":
        frames = int(getattr(image, "n_frames", 1))
        if frames > MAX_FRAMES:
            raise ApiError("too_many_pixels", f"More than {MAX_FRAMES} frames; send fewer.")
        return frames
    frames = 1
    try:
        # Frame by frame and not n_frames, which would read on to the end of any file.
        while True:
            image._seek(frames, False)  # type: ignore[attr-defined]
            frames += 1
            _within(*image.size, frames, limits)
            if frames > MAX_FRAMES:
                raise ApiError("too_many_pixels", f"More than {MAX_FRAMES} frames; send fewer.")
    except EOFError:
        image.seek(0)
    return frames


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; a garbled block counts as 1. Pillow turns TIFFs by itself."""
    if image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def has_alpha(image: Image.Image) -> bool:
    """Whether pixels can be transparent."""
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def examine(data: bytes, limits: Limits) -> Picture:
    """The one full decode that shows the picture can be rendered. Raises ApiError."""
    with opened(data) as image:
        header = header_of(image, limits)
        if header.format.pillow == "PNG":
            _check_sums(data)
        for frame in range(1, header.frames):
            image.seek(frame)
            image.load()
        image.seek(0) if header.animated else None
        turned = orientation(image)
        if header.format.pillow == "JPEG":
            image.draft(None, (64, 64))
        image.load()
        drawn = header.format.lossless and _drawn(image)
        profile = image.info.get("icc_profile")
        small = image if image.mode not in ("P", "1") else image.convert("RGBA")
        small = to_srgb(_shrunk(small), profile)
        if turned != 1:
            small.getexif()[ORIENTATION] = turned
            small = ImageOps.exif_transpose(small)
        return Picture(header, _colour(small), _placeholder(small), drawn)


def _check_sums(data: bytes) -> None:
    """Decoding alone would not see a PNG whose last checksum is cut off."""
    with opened(data) as image:
        image.verify()


def _drawn(image: Image.Image) -> bool:
    """Palettes, grey, and what has no more than 256 colours: line art more often than not."""
    if image.mode in ("RGB", "RGBA"):
        return image.getcolors(FEW_COLOURS) is not None
    return image.mode in ("1", "P", "PA", "L", "LA")


def _shrunk(image: Image.Image) -> Image.Image:
    side = PLACEHOLDER_SIDE
    scale = max(image.width, image.height, side)
    size = (max(1, image.width * side // scale), max(1, image.height * side // scale))
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return image.resize(size, Image.Resampling.NEAREST)
    return image.resize(size, Image.Resampling.BOX)


def _colour(small: Image.Image) -> str:
    data = small.convert("RGBA").tobytes()
    pixels = [data[i : i + 4] for i in range(0, len(data), 4)]
    weight = sum(p[3] for p in pixels) or 1
    red, green, blue = (sum(p[i] * p[3] for p in pixels) // weight for i in range(3))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _placeholder(small: Image.Image) -> str:
    out = io.BytesIO()
    small.info.clear()
    small.save(out, "WEBP", quality=20, method=4)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()
