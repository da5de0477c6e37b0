"""imagor: thumbor's URLs on libvips, in Go. Built once, where Go and libvips are there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import peers

VERSION = "1.4.17"
PACKAGE = "github.com/cshum/imagor/cmd/imagor"
NAME, IMGPROXY = "imagor", "imgproxy"


def program(cache: Path) -> Path | None:
    """Its binary, built the first time; None where it can't be had."""
    made = cache / NAME / VERSION / "imagor"
    if made.exists():
        return made
    if shutil.which("go") is None or not _has_libvips():
        sys.stderr.write("imagor can't be had: it needs Go 1.24 and libvips-dev\n")
        return None
    sys.stderr.write("==> Building imagor (once; about two minutes)\n")
    made.parent.mkdir(parents=True, exist_ok=True)
    try:
        _go(made.parent, "mod", "init", "bench")
        _go(made.parent, "get", "-tool", f"{PACKAGE}@v{VERSION}")
        _go(made.parent, "build", "-o", "imagor", PACKAGE)
    except (OSError, subprocess.SubprocessError) as wrong:
        sys.stderr.write(f"imagor can't be had: {wrong}\n")
        shutil.rmtree(made.parent)
        return None
    return made


def version(found: Path | None) -> dict[str, str | None]:
    """imagor's, None where it is missing; imgproxy is in no package that could be had."""
    return {NAME: VERSION if found else None, IMGPROXY: None}


@contextmanager
def running(binary: Path, photos: Path) -> Iterator[tuple[str, int]]:
    """Its base URL and process id; it keeps no result."""
    port = peers.free_port()
    arguments = [str(binary), "-port", str(port), "-imagor-unsafe"]
    arguments += ["-file-loader-base-dir", str(photos)]
    with peers.running(arguments, f"http://127.0.0.1:{port}/healthcheck") as pid:
        yield f"http://127.0.0.1:{port}", pid


def _has_libvips() -> bool:
    return subprocess.run(["pkg-config", "--exists", "vips"], check=False).returncode == 0


def _go(folder: Path, *words: str) -> None:
    environment = {**os.environ, "CGO_CFLAGS_ALLOW": "-Xpreprocessor"}
    command = ["go", *words]
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=900)
