"""Which nodes an `apomixis up` runs, and which of their folders are lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from apomixis_node.cli.folder import Folder


def wanted_names(wanted: dict[str, Any]) -> list[str]:
    """node-0, node-1, … as many as are wanted."""
    return [f"node-{i}" for i in range(int(wanted.get("nodes", 0)))]


def lost_volumes(folder: Folder, wanted: dict[str, Any]) -> list[str]:
    """Nodes that run on a volume which is to be replaced."""
    found = []
    for key in wanted.get("replaced", []):
        name, _, incarnation = key.partition("@")
        if _incarnation(folder.data(name)) == incarnation:
            found.append(name)
    return found


def put_away(folder: Folder, name: str) -> Path:
    """Move a lost volume's folder out of the way; where it is now."""
    old = folder.data(name)
    for i in range(1, 1000):
        away = old.with_name(f"{name}.lost-{i}")
        if not away.exists():
            old.rename(away)
            return away
    raise FileExistsError(f"{old}.lost-1 to 999 exist; remove some")


def _incarnation(data: Path) -> str | None:
    try:
        found = json.loads((data / "identity.json").read_text())
    except (OSError, ValueError):
        return None
    return str(found.get("incarnation")) if isinstance(found, dict) else None
