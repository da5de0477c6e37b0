"""Who this volume is: its cluster, its member, its incarnation; and the ring it last adopted."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from apomixis_node.disk import fsync_folder, make_folder, write_durably
from apomixis_ring.model import Ring, RingError
from apomixis_ring.reading import loads

IDENTITY, RING, SEEN = "identity.json", "ring.json", "seen"


class WrongVolumeError(Exception):
    """The volume is another's, or what says whose it is can't be read; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """As in identity.json. A blank volume under an old name is a new incarnation."""

    cluster: str
    name: str
    incarnation: str


def identify(data: Path, cluster: str, name: str) -> Identity:
    """Read the volume's identity, or make one on a blank volume. Raises WrongVolumeError."""
    path = data / IDENTITY
    try:
        found = Identity(**json.loads(path.read_text()))
    except FileNotFoundError:
        _put_away(data)
        made = Identity(cluster, name, secrets.token_hex(8))
        write_durably(data, path, json.dumps(asdict(made)).encode())
        return made
    except (ValueError, TypeError) as wrong:
        raise WrongVolumeError(
            f"{path} is damaged ({wrong}); restore it, or give the node a blank volume."
        ) from None
    if (found.cluster, found.name) != (cluster, name):
        raise WrongVolumeError(
            f"{data} belongs to {found.name} of the cluster {found.cluster}, not to {name} of "
            f"{cluster}; mount the right volume."
        )
    return found


def set_aside(data: Path) -> None:
    """This volume has left its cluster: its next start is another incarnation, and blank.

    What it holds goes to `former/`; nothing there is ever an answer, or a source.
    """
    _put_away(data)
    for name in (RING, SEEN, IDENTITY):
        (data / name).unlink(missing_ok=True)
        fsync_folder(data)


def _put_away(data: Path) -> None:
    originals = data / "originals"
    if originals.is_dir() and any(originals.iterdir()):
        make_folder(data / "former")
        originals.rename(data / "former" / secrets.token_hex(8))
        fsync_folder(data / "former")
        fsync_folder(data)


def note_seen(data: Path) -> None:
    """This volume is a member's now."""
    (data / SEEN).touch()
    fsync_folder(data)


def seen(data: Path) -> int | None:
    """When this volume was last known to be a member's, in milliseconds; None: never."""
    try:
        return (data / SEEN).stat().st_mtime_ns // 1_000_000
    except FileNotFoundError:
        return None


def load_ring(data: Path) -> Ring | None:
    """The last ring adopted, or None. Raises WrongVolumeError if it is damaged."""
    path = data / RING
    try:
        return loads(path.read_text())
    except FileNotFoundError:
        return None
    except (RingError, UnicodeDecodeError) as wrong:
        raise WrongVolumeError(
            f"{path} is damaged ({wrong}); remove it, and the ring will be put to this node again."
        ) from None


def keep_ring(data: Path, ring: Ring) -> None:
    """Write the ring durably."""
    write_durably(data, data / RING, ring.dumps().encode())
