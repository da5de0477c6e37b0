"""What the pages know of this cluster's settings, and the image URLs that follow from them.

Pure: no request, no template. The same values reach the JavaScript as one JSON object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from apomixis_node.formats import AUTO, AVIF, BY_EXTENSION, JPEG, PNG, WEBP

if TYPE_CHECKING:
    from apomixis_node.settings import Settings

FULL = "full"
PRESETS = ("100s", "200s", "400w", "800w", "1600w", FULL)
CHOICE_OF_FORMATS = (AUTO, JPEG.extension, PNG.extension, WEBP.extension, AVIF.extension)
THUMBNAIL = "200s"
SHOWN = "800w"


@dataclass(frozen=True, slots=True)
class Site:
    """Which sizes, formats and uploads this cluster takes. `sizes` empty: any up to `max_side`."""

    asks_key: bool = False
    signed: bool = False
    sizes: tuple[str, ...] = ()
    max_side: int = 4096
    qualities: tuple[int, ...] = ()
    max_bytes: int = 50 * 1024 * 1024
    formats: tuple[str, ...] = tuple(BY_EXTENSION)

    @classmethod
    def of(cls, settings: Settings) -> Site:
        """The site that these settings make."""
        return cls(
            asks_key=settings.upload_keys is not None,
            signed=settings.signing_keys is not None,
            sizes=settings.sizes,
            max_side=settings.max_side,
            qualities=settings.qualities,
            max_bytes=int(settings.max_bytes),
            formats=settings.formats,
        )

    @property
    def offered(self) -> tuple[str, ...]:
        """The sizes a person picks from: the allowed ones, else the presets within `max_side`."""
        return self.sizes or tuple(p for p in PRESETS if p == FULL or int(p[:-1]) <= self.max_side)

    def nearest(self, wanted: str) -> str:
        """`wanted` where it is offered, else the first size that is, `full` last."""
        if wanted in self.offered:
            return wanted
        return next((size for size in self.offered if size != FULL), FULL)

    def to_json(self) -> dict[str, object]:
        """What the page's JavaScript is told."""
        return asdict(self) | {
            "offered": self.offered,
            "thumbnail": self.nearest(THUMBNAIL),
            "shown": self.nearest(SHOWN),
            "choice": CHOICE_OF_FORMATS,
            "mimes": {f.extension: f.mime for f in BY_EXTENSION.values()}
            | {alias: f.mime for f in BY_EXTENSION.values() for alias in f.aliases},
        }


@dataclass(frozen=True, slots=True)
class Link:
    """One size of one picture: `path` for this node, `url` for everybody."""

    size: str
    path: str
    url: str


def links(answer: Mapping[str, object], base: str, site: Site) -> tuple[Link, ...]:
    """Where an uploaded picture is, one link per size offered.

    `answer` is the upload answer; `base` is the public address, as in `http://host:8080`.
    Where URLs are signed only the answer's own can be given.
    """
    full = _path(str(answer["full_url"]))
    if site.signed:
        return (_link(FULL, full, base),)
    name = full.rpartition("/")[2].rpartition(".")[0] or "image"
    stem = f"/image/{answer['hash']}"
    return tuple(
        _link(size, full if size == FULL else f"{stem}/{size}/{name}.{AUTO}", base)
        for size in site.offered
    )


def _path(url: str) -> str:
    return urlsplit(url).path


def _link(size: str, path: str, base: str) -> Link:
    return Link(size, path, base.rstrip("/") + path)
