"""What is here of a partition, and its digest: equal digests mean that nothing has to be synced."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from apomixis_node.disk import MS, disk_errors
from apomixis_node.formats import BY_EXTENSION
from apomixis_node.store import GONE, Store
from apomixis_ring.marks import Mark, digest
from apomixis_ring.model import PARTITIONS, is_image_id


@dataclass(frozen=True, slots=True)
class Entry:
    """One id: its mark; for an original its extension and its length in bytes.

    A quarantined one is listed too, for it was promised.
    """

    mark: Mark
    extension: str = ""
    length: int = 0
    quarantined: bool = False


def name_of(index: int) -> str:
    """The folder of a partition: three hex digits."""
    return f"{index:03x}"


def present(store: Store) -> list[int]:
    """The partitions of which there is a folder here."""
    with disk_errors():
        names = os.listdir(store.data / "originals")  # noqa: PTH208  names only, and fast
    return sorted(int(n, 16) for n in names if len(n) == 3 and _is_hex(n))


def listing(store: Store, index: int) -> dict[str, Entry]:
    """Everything of one partition by id, read from the disk. Raises DiskFailed."""
    name = name_of(index)
    found: dict[str, Entry] = {}
    with disk_errors():
        for image_id, entry in _scan(store.data / "quarantine", name, quarantined=True):
            found[image_id] = entry
        for image_id, entry in _scan(store.folder(name), name, quarantined=False):
            known = found.get(image_id)
            if known is None or known.quarantined or entry.mark > known.mark:
                found[image_id] = entry
    return found


def marks(entries: dict[str, Entry]) -> dict[str, Mark]:
    """What may be relied on: quarantined copies left out."""
    return {i: e.mark for i, e in entries.items() if not e.quarantined}


def _scan(folder: os.PathLike[str], prefix: str, *, quarantined: bool) -> list[tuple[str, Entry]]:
    found = []
    try:
        with os.scandir(folder) as files:
            for file in files:
                image_id, _, extension = file.name.partition(".")
                if not image_id.startswith(prefix) or not is_image_id(image_id):
                    continue
                if extension != GONE and extension not in BY_EXTENSION:
                    continue
                stat = file.stat()
                mark = Mark(stat.st_mtime_ns // MS, deleted=extension == GONE)
                entry = Entry(mark, "" if mark.deleted else extension, stat.st_size, quarantined)
                found.append((image_id, entry))
    except FileNotFoundError:
        return []
    return found


def _is_hex(name: str) -> bool:
    return all(c in "0123456789abcdef" for c in name)


class Digests:
    """Digests of all partitions, each computed again only after its folder has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def of(self, index: int) -> str:
        """The digest of one partition; quarantined copies make it differ from everybody's."""
        version = self._store.versions[name_of(index)]
        with self._lock:
            known = self._known.get(index)
        if known is not None and known[0] == version:
            return known[1]
        entries = listing(self._store, index)
        bad = sum(e.quarantined for e in entries.values())
        found = digest(marks(entries)) + (f"-{bad}" if bad else "")
        with self._lock:
            self._known[index] = (version, found)
        return found

    def all(self) -> dict[int, str]:
        """Those that are not empty, by partition."""
        there = set(present(self._store)) | self._quarantined()
        return {p: d for p in sorted(there) if p < PARTITIONS and (d := self.of(p))}

    def _quarantined(self) -> set[int]:
        names = os.listdir(self._store.data / "quarantine")  # noqa: PTH208
        return {int(n[:3], 16) for n in names if is_image_id(n.partition(".")[0])}
