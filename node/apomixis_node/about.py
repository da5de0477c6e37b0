"""What is known of a picture without its pixels: kept as `about.json` beside its renditions.

As disposable as they are: a missing one is made again from the original.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from apomixis_node.decode import Limits, Picture, examine, inspect
from apomixis_node.formats import BY_EXTENSION, Format

FILE = "about.json"


@dataclass(frozen=True, slots=True)
class About:
    """Width and height in pixels, of the oriented picture; `color`, `placeholder` for pages.

    `drawn`: of few colours, as line art is.
    """

    extension: str
    width: int
    height: int
    frames: int
    animated: bool
    alpha: bool
    color: str
    placeholder: str
    drawn: bool

    @property
    def format(self) -> Format:
        """The original's format."""
        return BY_EXTENSION[self.extension]

    @property
    def pixels(self) -> int:
        """Decoded pixels of all frames: what a render has to hold."""
        return self.width * self.height * self.frames

    def dumps(self) -> bytes:
        """As JSON text."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()


def loads(text: bytes) -> About | None:
    """Read what `dumps` wrote; None if it is anything else, to be made again."""
    try:
        about = About(**json.loads(text))
    except (ValueError, TypeError):
        return None
    return about if about.extension in BY_EXTENSION else None


def of(picture: Picture) -> About:
    """What an examination found."""
    header = picture.header
    return About(
        extension=header.format.extension,
        width=header.width,
        height=header.height,
        frames=header.frames,
        animated=header.animated,
        alpha=header.alpha,
        color=picture.color,
        placeholder=picture.placeholder,
        drawn=picture.drawn,
    )


def inspect_file(path: str, limits: Limits) -> int:
    """In a worker: look at the header only; returns the pixels that decoding it will take."""
    return inspect(_read(path), limits).pixels


def examine_file(path: str, limits: Limits) -> About:
    """In a worker: the one full decode that shows the picture can be rendered."""
    return of(examine(_read(path), limits))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  a worker's hot path takes the shortest one
        return file.read()
