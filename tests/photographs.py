"""Real photographs, from Debian's `mate-backgrounds`: 1.3 to 18 megapixels, taken by cameras."""

from __future__ import annotations

from pathlib import Path

from needs import need

FOLDER = Path("/usr/share/backgrounds/mate")
# From small to large; a PNG with a colour profile and two with transparency among them.
NAMES = (
    "nature/GreenMeadow.jpg",
    "desktop/Float-into-MATE.png",
    "abstract/Arc-Colors-Transparent-Wallpaper.png",
    "desktop/Stripes.png",
    "nature/Garden.jpg",
    "abstract/Elephants_3840x2160.jpg",
    "abstract/Elephants_5640x3172.jpg",
)


def photographs() -> tuple[Path, ...]:
    """The files, smallest first; skips the test where the package is not installed."""
    found = tuple(FOLDER / name for name in NAMES if (FOLDER / name).is_file())
    need(len(found) == len(NAMES), "install Debian's mate-backgrounds: photographs to render")
    return found
