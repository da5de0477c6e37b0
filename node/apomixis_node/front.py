"""What nginx, in front of this node, may serve from its disk by itself; the node decides, by links.

    front/<plan>.renditions → cache/<tag>     where no signatures are asked for
    front/<plan>.signed → signed/<keys>       where they are: another set of keys, no hits
    front/<plan>.originals → front/owned
    front/owned/3f9 → originals/3f9           of each partition owned: a leftover is no answer

The first three are flags, there while the node is ready; a start takes them away first. `plan`
names the settings that decide which URLs are answered, so that an nginx that was configured from
others finds nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from apomixis_node.accept import Named
from apomixis_node.cache import SIGNED
from apomixis_node.disk import make_folder
from apomixis_node.formats import AUTO
from apomixis_node.inventory import name_of

if TYPE_CHECKING:
    from apomixis_node.paths import ImagePath
    from apomixis_node.settings import Settings
    from apomixis_node.state import Node
    from apomixis_ring.model import Ring

FOLDER, OWNED = "front", "owned"
RENDITIONS, ORIGINALS = "renditions", "originals"
LOOK_EVERY_S = 0.5


def plan(settings: Settings) -> str:
    """Names the settings that decide which URLs are answered."""
    signed = settings.signing_keys is not None
    text = f"1 {settings.max_side} {settings.qualities} {settings.sizes} {signed}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def root(settings: Settings, what: str) -> Path:
    """The folder in which nginx looks for renditions, signed ones or originals."""
    return settings.data.absolute() / FOLDER / f"{plan(settings)}.{what}"


def close(data: Path) -> None:
    """Nothing is served by nginx any more."""
    with suppress(OSError):
        for flag in (data / FOLDER).iterdir():
            if flag.is_symlink():
                flag.unlink(missing_ok=True)


def hit(path: ImagePath, extension: str, accepted: Named) -> str:
    """The name of the file that nginx looks for: of a signed URL, or of an `auto` one."""
    signature = f".{path.signature}" if path.signature else ""
    automatic = f".auto-{accepted}" if path.extension == AUTO else ""
    return f"{path.size}{signature}{automatic}.{extension}"


@dataclass(frozen=True, slots=True)
class _View:
    """What may be served: with this key set (None: unsigned), of these partitions."""

    keys: str | None
    owned: frozenset[str]


class Front:
    """The links of one volume; `look` is set when there may be something to change."""

    def __init__(self, data: Path, plan: str, cache_root: Path) -> None:
        close(data)
        self.look = asyncio.Event()
        self._data, self._cache, self._plan = data, cache_root, plan
        self._closing = threading.Lock()
        self._closed = 0
        self._view: _View | None = None
        self._ring: Ring | None = None
        self._owned: frozenset[str] = frozenset()  # of that ring

    def close(self) -> None:
        """Take the flag away, and begin to look at what may be served now."""
        with self._closing:
            self._closed += 1
            self._view = None
            close(self._data)
        self.look.set()

    def signed(self, keys: str, image_id: str, name: str) -> Path:
        """Where a signed hit lies."""
        return self._data / SIGNED / keys / image_id[:3] / image_id / name

    async def follow(self, node: Node) -> None:
        """Bring the links and the flag to what the node may serve now. Raises OSError."""
        ring = node.rings.known
        if not node.ready or ring is None:
            if self._view is not None:
                self.close()
            return
        keys = node.signing.key_set if node.signing.required else None
        if ring is not self._ring:
            self._ring, self._owned = ring, _owned(ring, node.key)
        view = _View(keys, self._owned)
        if view != self._view:
            await to_thread.run_sync(self._open, view, self._closed)

    def _open(self, view: _View, closed: int) -> None:
        with self._closing:
            self._view = None
            close(self._data)
        owned = self._data / FOLDER / OWNED
        make_folder(owned, durable=False)
        there, wanted = {p.name for p in owned.iterdir()}, view.owned
        for name in there - wanted:
            (owned / name).unlink()
        for name in wanted - there:
            (owned / name).symlink_to(Path("..", "..", ORIGINALS, name))
        self._forget_others(view.keys)
        with self._closing:
            if closed == self._closed:
                self._view = view
                for what, target in self._flags(view.keys).items():
                    flag = self._data / FOLDER / f"{self._plan}.{what}"
                    flag.symlink_to(os.path.relpath(target, flag.parent))

    def _flags(self, keys: str | None) -> dict[str, Path]:
        if keys is not None:
            return {SIGNED: self._data / SIGNED / keys}
        return {RENDITIONS: self._cache, ORIGINALS: self._data / FOLDER / OWNED}

    def _forget_others(self, keys: str | None) -> None:
        """Hits under another set of keys are no hits any more."""
        with suppress(OSError):
            for folder in (self._data / SIGNED).iterdir():
                if folder.name != keys:
                    shutil.rmtree(folder, ignore_errors=True)


def _owned(ring: Ring, key: str) -> frozenset[str]:
    return frozenset(name_of(p) for p, row in enumerate(ring.current) if key in row)


async def run(node: Node) -> None:
    """Follow the node until cancelled; a disk that fails is said elsewhere."""
    while True:
        node.front.look.clear()
        with suppress(OSError):
            await node.front.follow(node)
        with suppress(TimeoutError):
            await asyncio.wait_for(node.front.look.wait(), LOOK_EVERY_S)
