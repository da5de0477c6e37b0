"""Bytes that failed verification, kept for a person to look at.

    quarantine/3f9c…e1.jpg            mtime = the stamp it had: it still counts
    quarantine/3f9c…e1.jpg.replaced   a good copy is back

What is here has lost its bytes, not its promise.
"""

from __future__ import annotations

from pathlib import Path

from apomixis_node.copies import Original
from apomixis_node.disk import MS, fsync_folder, stat_of
from apomixis_node.formats import BY_EXTENSION
from apomixis_ring.marks import Mark


class Quarantine:
    """The folder of one volume. All methods block, and raise OSErrors or DiskFailed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mark(self, image_id: str) -> Mark | None:
        """The mark of a copy whose bytes are bad and were not replaced yet."""
        for extension in BY_EXTENSION:
            if (stat := stat_of(f"{self.folder}/{image_id}.{extension}")) is not None:
                return Mark(stat.st_mtime_ns // MS)
        return None

    def take(self, bad: Original) -> None:
        """Move a copy here, durably."""
        bad.path.rename(self.folder / bad.path.name)
        fsync_folder(self.folder)
        fsync_folder(bad.path.parent)

    def mended(self, image_id: str) -> None:
        """The bad bytes stay, but count no more."""
        for extension in BY_EXTENSION:
            bad = f"{self.folder}/{image_id}.{extension}"
            if stat_of(bad) is not None:
                Path(bad).rename(f"{bad}.replaced")
                fsync_folder(self.folder)
