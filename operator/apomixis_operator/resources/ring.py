"""ConfigMap `photos-ring`, the authority on who owns what; it shares the volumes' fate.

Without an owner reference where volumes stay when the cluster object goes: epoch 1 would meet nodes
at 42 after a reinstall.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apomixis_operator.observed import Cluster, RingObject
from apomixis_operator.resources import names
from apomixis_operator.spec import Spec
from apomixis_ring.model import RingError
from apomixis_ring.reading import loads

RING, STATE = "ring.json", "state.json"
FORMAT = 1


class DamagedRingError(ValueError):
    """The ConfigMap is there, but is no ring: never to be taken for a missing one."""


def to_config_map(cluster: Cluster, spec: Spec, found: RingObject) -> dict[str, Any]:
    """As it is written; resourceVersion and uid are set where it replaces another."""
    metadata = names.metadata(
        cluster, names.ring_name(cluster.name), owned=spec.delete_with_cluster
    )
    if found.resource_version:
        metadata |= {"resourceVersion": found.resource_version, "uid": found.uid}
    state = {
        "wanted": {"replicas": found.wanted_replicas, "since": found.wanted_since},
        "retiring": list(found.retiring),
        "givenUp": dict(found.given_up),
        "image": found.image,
        "format": FORMAT,
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {RING: found.ring.dumps(), STATE: json.dumps(state, sort_keys=True)},
    }


def from_config_map(body: Mapping[str, Any]) -> RingObject:
    """What `to_config_map` wrote. Raises DamagedRingError."""
    data = body.get("data") or {}
    try:
        state = json.loads(data[STATE])
        if state["format"] > FORMAT:
            raise DamagedRingError(
                f"The ring is of format {state['format']}, which a newer operator wrote."
            )
        return RingObject(
            ring=loads(data[RING]),
            resource_version=body["metadata"]["resourceVersion"],
            uid=body["metadata"]["uid"],
            wanted_replicas=int(state["wanted"]["replicas"]),
            wanted_since=float(state["wanted"]["since"]),
            retiring=tuple(state["retiring"]),
            given_up=dict(state["givenUp"]),
            image=str(state["image"]),
            owned=bool(body["metadata"].get("ownerReferences")),
        )
    except DamagedRingError:
        raise
    except (KeyError, TypeError, ValueError, RingError) as wrong:
        raise DamagedRingError(f"The ring can't be read: {wrong!r}") from wrong
