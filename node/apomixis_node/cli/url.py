"""`apomixis url`: the address of a picture at a size. Nothing is asked of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apomixis_node.access import Signing
from apomixis_node.cli.target import DataOption, UrlOption, targets
from apomixis_node.cli.terminal import Failure
from apomixis_node.formats import AUTO, CANONICAL_EXTENSION
from apomixis_node.paths import EXTENSIONS, ImagePath, file_name
from apomixis_node.settings import SettingsError
from apomixis_node.sizes import BadSize, Size, parse
from apomixis_ring.model import is_image_id

LARGEST_SIDE = 9999  # the node's own limit may be lower
ALL_QUALITIES = tuple(range(1, 101))


def url(
    image_id: Annotated[
        str, typer.Argument(metavar="ID", help="40 hex digits, as `apomixis put` prints them.")
    ],
    size: Annotated[
        str,
        typer.Argument(metavar="[SIZE]", help="`full`, `200s`, `300w`, `200h`, `300w200hc`, …"),
    ] = "",
    name: Annotated[
        str, typer.Option(help="File name in the URL, for people who save it.")
    ] = "image",
    ext: Annotated[
        str, typer.Option(help="jpg, png, webp, avif, gif, or auto: what the browser takes.")
    ] = AUTO,
    srcset: Annotated[
        str, typer.Option(help="Widths for an <img srcset>, as in `200w,400w,800w`.")
    ] = "",
    sign_key_file: Annotated[
        Path | None,
        typer.Option(envvar="APOMIXIS_SIGNING_KEYS", help="Sign with the first key in this file."),
    ] = None,
    url: UrlOption = None,
    data: DataOption = None,
) -> None:
    """Print the URL of a picture at a size, for a template or a browser.

    300 pixels wide, in the format that the browser likes best:

        apomixis url 3f9c0a1b2c3d4e5f60718293a4b5c6d7e8f9aabb 300w

    A square of 200 pixels around a point at a third from left and a fifth from top, as JPEG:

        apomixis url 3f9c0a1b2c3d4e5f60718293a4b5c6d7e8f9aabb 200s33x20 --ext jpg

    For `<img srcset="…">`, so that the browser picks the width:

        apomixis url 3f9c0a1b2c3d4e5f60718293a4b5c6d7e8f9aabb --srcset 200w,400w,800w
    """
    if not size and not srcset:
        raise Failure("Say which size: `apomixis url ID 300w`, or several with --srcset.", 2)
    base = targets(url, data)[0]
    if size:
        typer.echo(image_url(base, image_id, size, name=name, ext=ext, key_file=sign_key_file))
    if srcset:
        sizes = [_of_known_width(word.strip()) for word in srcset.split(",") if word.strip()]
        urls = [
            image_url(base, image_id, str(s), name=name, ext=ext, key_file=sign_key_file)
            for s in sizes
        ]
        typer.echo(", ".join(f"{u} {s.width}w" for u, s in zip(urls, sizes, strict=True)))


def image_url(
    base: str,
    image_id: str,
    size: str,
    *,
    name: str = "image",
    ext: str = AUTO,
    key_file: Path | None = None,
) -> str:
    """The canonical URL, signed where there is a key file. Raises Failure."""
    if not is_image_id(image_id):
        raise Failure("An id is 40 lowercase hex digits, as `apomixis put` prints it.", 2)
    extension = CANONICAL_EXTENSION.get(ext.lower(), ext.lower())
    if extension not in EXTENSIONS:
        raise Failure(f"--ext {ext} is not served; take one of {', '.join(EXTENSIONS)}.", 2)
    parsed = _size(size)
    try:
        signature = Signing(key_file).sign(image_id, str(parsed), extension)
    except SettingsError:
        raise Failure(f"{key_file} has no key to sign with.") from None
    return f"{base}{ImagePath(image_id, parsed, extension, file_name(name, 'image'), signature)}"


def _size(text: str) -> Size:
    try:
        return parse(text, max_side=LARGEST_SIDE, qualities=ALL_QUALITIES)
    except BadSize as wrong:
        raise Failure(str(wrong), 2) from None


def _of_known_width(text: str) -> Size:
    size = _size(text)
    if size.kind not in ("width", "square", "crop"):
        raise Failure(
            f"The width of {text} depends on the picture; a srcset takes sizes like 400w.", 2
        )
    return size
