"""Images without a registry: a base of Debian and Python, a pause container, and the project's own.

The base is made with debootstrap from the mirror that this machine's apt uses; that address and
this machine's certificates are not in it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from kube.commands import FailedError, run
from kube.home import HERE, IMAGES, ROOT

BASE, PAUSE = "localhost/base:1", "localhost/pause:1"
OPERATOR, NODE, NEXT = (
    "localhost/apomixis-operator:test",
    "localhost/apomixis-node:test",
    "localhost/apomixis-node:next",
)

ALSO_CALLED = {
    NEXT: NODE,
    "registry.example.com/apomixis-operator:0.1.0": OPERATOR,
    "registry.example.com/apomixis-node:0.1.0": NODE,
}
"""Other names: one to upgrade to, and what the README calls them, whose commands are followed
word for word."""

PACKAGES = ("python3-minimal", "python3-venv", "python3-pip", "ca-certificates", "nginx-light")
OF_THE_HOST = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
"""What a build needs on some machines to reach packages; lent to it, never copied."""


def archive(image: str) -> Path:
    """Where an image lies as a file."""
    return IMAGES / f"{re.sub('[/:]', '-', image)}.tar"


def build() -> list[Path]:
    """All images as archives: pause, operator, node. Takes minutes the first time."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    _storage().write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{IMAGES}/store"\nrunroot = "{IMAGES}/run"\n'
    )
    if not archive(PAUSE).exists():
        _pause()
    if not archive(BASE).exists():
        print("==> Making the base image (about three minutes, once)", flush=True)
        _base()
    print("==> Building the images of the project", flush=True)
    for image, recipe in ((OPERATOR, "Dockerfile.operator"), (NODE, "Dockerfile.node")):
        _ours(image, recipe)
    return [archive(image) for image in (PAUSE, OPERATOR, NODE)]


def buildah(*words: str | Path, seconds: float = 900) -> str:
    environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(_storage())}
    return run("buildah", *words, seconds=seconds, environment=environment)


def _storage() -> Path:
    return IMAGES / "storage.conf"


def _archive(image: str) -> None:
    made = archive(image).with_suffix(".new")
    made.unlink(missing_ok=True)
    buildah("push", "-q", image, f"oci-archive:{made}:{image}")
    made.rename(archive(image))


def _ours(image: str, recipe: str) -> None:
    lent = [f"--volume={path}:{path}:ro" for path in OF_THE_HOST if Path(path).exists()]
    how = ("--isolation=chroot", "--network=host", "--pull-never", "--layers", "--format=docker")
    base = f"--build-arg=BASE_IMAGE={BASE}"
    buildah("bud", *how, *lent, base, "-t", image, "-f", ROOT / recipe, ROOT)
    _archive(image)


def _pause() -> None:
    folder = IMAGES / "pause"
    folder.mkdir(exist_ok=True)
    run("gcc", "-static", "-Os", "-s", "-o", folder / "pause", HERE / "pause.c")
    container = buildah("from", "scratch").strip()
    buildah("add", "-q", container, folder / "pause", "/pause")
    buildah("config", "--user", "65535:65535", "--entrypoint", '["/pause"]', container)
    buildah("commit", "-q", "--rm", container, PAUSE)
    _archive(PAUSE)


def _base() -> None:
    root = IMAGES / "base"
    shutil.rmtree(root, ignore_errors=True)
    included = f"--include={','.join(PACKAGES)}"
    run("debootstrap", "--variant=minbase", included, "bookworm", root, mirror(), seconds=1200)
    for pattern in (
        "var/cache/apt/archives/*.deb",
        "var/cache/apt/*.bin",
        "var/lib/apt/lists/*",
        "usr/share/doc/*",
        "usr/share/man/*",
        "usr/share/locale/*",
        "var/log/*.log",  # one of them names the mirror
    ):
        for path in root.glob(pattern):
            path.unlink() if path.is_file() or path.is_symlink() else shutil.rmtree(path)
    (root / "etc/apt/sources.list").write_text("")
    container = buildah("from", "scratch").strip()
    buildah("add", "-q", container, root, "/")
    search = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    buildah("config", "--env", search, "--cmd", "/bin/bash", container)
    buildah("commit", "-q", "--rm", "--format=docker", container, BASE)
    _archive(BASE)
    shutil.rmtree(root)


def mirror() -> str:
    """Where this machine's apt takes Debian from. Raises FailedError."""
    for source in [*Path("/etc/apt/sources.list.d").glob("*"), Path("/etc/apt/sources.list")]:
        text = source.read_text() if source.is_file() else ""
        pattern = r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S+/debian/?)(?:\s|$)"
        if found := re.search(pattern, text, re.MULTILINE):
            return found[1]
    raise FailedError("No mirror of Debian in /etc/apt: this harness runs on Debian and its kin.")
