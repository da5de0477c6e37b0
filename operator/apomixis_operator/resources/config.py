"""ConfigMap `photos-config`: the settings of all nodes, as environment variables."""

from __future__ import annotations

import hashlib
from typing import Any

from apomixis_operator.observed import Cluster
from apomixis_operator.resources import names
from apomixis_operator.spec import Spec, size_in_bytes

ID_LENGTH = 63  # of a node's setting
UPLOAD_KEYS, SIGNING_KEYS = "/etc/apomixis/upload-keys", "/etc/apomixis/signing/keys"


def settings(cluster: Cluster, spec: Spec) -> dict[str, str]:
    """What docs/configuration.md describes, from the spec."""
    uploads, renditions = spec.uploads, spec.renditions
    found = {
        "APOMIXIS_CLUSTER": cluster_id(cluster),
        "APOMIXIS_MAX_BYTES": str(size_in_bytes(uploads.get("maxBytes", "50Mi"), "uploads")),
        "APOMIXIS_MAX_PIXELS": str(uploads.get("maxPixels", 100_000_000)),
        "APOMIXIS_JPEG_QUALITY": str(renditions.get("quality", 82)),
        "APOMIXIS_SYNC_CONCURRENCY": str(spec.concurrency),
        "APOMIXIS_VERIFY_RATE": str(spec.verify_bandwidth),
        "APOMIXIS_CACHE_SIZE": str(
            size_in_bytes(renditions["cacheSize"], "renditions.cacheSize")
            if "cacheSize" in renditions
            else spec.size // 10
        ),
    }
    if spec.bandwidth is not None:
        found["APOMIXIS_SYNC_RATE"] = str(spec.bandwidth)
    if spec.tombstone_days is not None:
        found["APOMIXIS_TOMBSTONE_DAYS"] = str(spec.tombstone_days)
    if formats := uploads.get("formats"):
        found["APOMIXIS_FORMATS"] = ",".join(formats)
    if sizes := renditions.get("allowedSizes"):
        found["APOMIXIS_SIZES"] = ",".join(sizes)
    if uploads.get("keysSecretName"):
        found["APOMIXIS_UPLOAD_KEYS"] = UPLOAD_KEYS
    if renditions.get("signingSecretName"):
        found["APOMIXIS_SIGNING_KEYS"] = SIGNING_KEYS
    return found


def cluster_id(cluster: Cluster) -> str:
    """What volumes and rings are marked with: the same after a reinstall on kept volumes."""
    found = f"{cluster.name}.{cluster.namespace}"
    if len(found) <= ID_LENGTH:
        return found
    digest = hashlib.sha256(cluster.namespace.encode()).hexdigest()[:12]
    return f"{cluster.name}.{digest}"


def config_map(cluster: Cluster, spec: Spec) -> dict[str, Any]:
    """The child object."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(cluster, names.config_name(cluster.name)),
        "data": settings(cluster, spec),
    }
