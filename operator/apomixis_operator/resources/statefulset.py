"""StatefulSet `photos`: pods with volumes, all started at once, none updated by itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from apomixis_operator.observed import Cluster
from apomixis_operator.resources import names
from apomixis_operator.resources.pod import pod_template
from apomixis_operator.spec import Spec

HELD = 2147483647  # an update partition above every ordinal: no pod is updated
TEMPLATE_HASH = "apomixis.io/template-hash"


def hash_of(value: Any) -> str:
    """Sixteen hex digits that change with a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stateful_set(
    cluster: Cluster,
    spec: Spec,
    image: str,
    config: Mapping[str, str],
    *,
    replicas: int,
    first_size: str | None = None,
    nginx: bool = False,
) -> dict[str, Any]:
    """The child object, with no pod to be updated. Deleting it by hand must not delete pictures:
    volumes are retained.

    `first_size`: the size that the volume claim templates were written with, for they never change.
    """
    template = pod_template(cluster, spec, image, hash_of(dict(config)), nginx=nginx)
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": first_size or spec.size_text}},
    }
    if spec.storage_class is not None:
        claim["storageClassName"] = spec.storage_class
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": names.metadata(
            cluster, cluster.name, annotations={TEMPLATE_HASH: hash_of(template)}
        ),
        "spec": {
            "replicas": replicas,
            "serviceName": names.headless_name(cluster.name),
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": names.selector(cluster.name)},
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain",
                "whenScaled": "Retain",
            },
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"partition": HELD},
            },
            "template": template,
            "volumeClaimTemplates": [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": "data", "labels": names.labels(cluster.name)},
                    "spec": claim,
                }
            ],
        },
    }
