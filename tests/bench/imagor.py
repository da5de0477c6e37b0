"""imagor, built once with Go and libvips and kept from run to run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import peers

VERSION = "1.4.17"
MODULE = Path(__file__).with_name("imagor")  # the folder: a go.mod that names it as a tool
BUILD_S = 1800


def program(cache: Path) -> Path | None:
    """imagor's binary, made the first time; None where it can't be had."""
    binary = cache / f"imagor-{VERSION}"
    if binary.exists():
        return binary
    sys.stderr.write(f"==> Building imagor into {cache} (once; two to five minutes)\n")
    cache.mkdir(parents=True, exist_ok=True)
    making = cache / "imagor.making"
    environment = {**os.environ, "CGO_ENABLED": "1", "CGO_CFLAGS_ALLOW": "-Xpreprocessor"}
    command = ["go", "build", "-o", str(making), "github.com/cshum/imagor/cmd/imagor"]
    try:
        subprocess.run(command, cwd=MODULE, env=environment, check=True, timeout=BUILD_S)
    except (OSError, subprocess.SubprocessError) as wrong:
        sys.stderr.write(f"imagor can't be had; it needs Go 1.26 and libvips-dev: {wrong}\n")
        return None
    making.rename(binary)  # whole or not at all
    return binary


@contextmanager
def running(binary: Path, photos: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Its base URL and process id."""
    port = peers.free_port()
    arguments = [
        str(binary),
        "-bind=127.0.0.1:" + str(port),
        "-imagor-unsafe",
        f"-file-loader-base-dir={photos}",
        f"-file-result-storage-base-dir={folder / 'imagor'}",
        "-imagor-base-params=filters:quality(82)",
    ]
    with peers.running(arguments, f"http://127.0.0.1:{port}/healthcheck") as pid:
        yield f"http://127.0.0.1:{port}", pid


def version(binary: Path | None) -> str | None:
    """Its own and that of the libvips it was linked to."""
    told = peers.version(binary, "-version") if binary else None
    vips = peers.version("pkg-config", "--modversion", "vips")
    return f"{told} with libvips {vips}" if told and vips else told
