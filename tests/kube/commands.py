"""Running a program to its end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PATIENCE_S = 90.0
PAUSE_S = 0.1


class FailedError(Exception):
    """A step did not succeed; the message says which, and what it printed."""


def run(
    *command: str | Path,
    stdin: str | None = None,
    seconds: float = 60,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """What it prints. Raises FailedError if it fails or takes longer than `seconds`."""
    line = [str(word) for word in command]
    try:
        done = subprocess.run(
            line,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=environment,
            cwd=folder,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise FailedError(f"{' '.join(line)}: not done after {seconds:g} s") from late
    if done.returncode != 0:
        printed = (done.stdout + done.stderr)[-3000:]
        raise FailedError(f"{' '.join(line)}: exit {done.returncode}\n{printed}")
    return done.stdout


def wait(true: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Until it is so. Raises FailedError after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise FailedError(f"{what}: not so after {seconds:g} s")
        time.sleep(PAUSE_S)
