"""Secret `photos-internal`: the keys of the members, one a line, the one that is shown first."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from apomixis_operator.actions import RotateSecret
from apomixis_operator.observed import Cluster, SecretObject
from apomixis_operator.resources.config import cluster_id
from apomixis_ring.fingerprints import fingerprint

ROTATED, STEP, CHANGED = "apomixis.io/rotated", "apomixis.io/step", "apomixis.io/changed"


def keys_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys themselves."""
    return tuple(base64.b64decode(body["data"]["keys"]).decode().split())


def keys_data(keys: tuple[str, ...]) -> dict[str, str]:
    """As the Secret's `data`."""
    return {"keys": base64.b64encode("".join(f"{key}\n" for key in keys).encode()).decode()}


def read_secret(cluster: Cluster, body: Mapping[str, Any]) -> SecretObject:
    """What the plan may know of it."""
    metadata = body["metadata"]
    notes = metadata.get("annotations") or {}
    return SecretObject(
        keys=tuple(fingerprint(cluster_id(cluster), key) for key in keys_of(body)),
        resource_version=metadata["resourceVersion"],
        rotated=notes.get(ROTATED, ""),
        shows_new=notes.get(STEP) == "use",
        changed=float(notes.get(CHANGED, 0)),
        owned=bool(metadata.get("ownerReferences")),
    )


def rotated(action: RotateSecret, keys: tuple[str, ...], now: float) -> dict[str, Any]:
    """A merge patch, refused where the Secret is not the one that was seen."""
    notes = {ROTATED: action.value, STEP: action.step, CHANGED: f"{now:.0f}"}
    about = {"resourceVersion": action.before.resource_version, "annotations": notes}
    return {"metadata": about, "data": keys_data(keys)}
