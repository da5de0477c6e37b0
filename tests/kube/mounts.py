"""What is mounted below a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from kube.commands import run


def unmount(folder: Path) -> None:
    """Everything below a folder, the newest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for line in reversed(lines):
        place = line.split()[4].replace("\\040", " ")
        if Path(place).is_relative_to(folder):
            run("umount", "--lazy", place)


def remove(folder: Path) -> None:
    """Unmount what is below it, then remove it all."""
    unmount(folder)
    shutil.rmtree(folder, ignore_errors=True)
