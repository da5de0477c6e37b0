"""A provisioner of volumes: a folder on the machine that the scheduler chose, for each claim.

Volumes of type `local`, for the kubelet gives those to the pod's group (`fsGroup`), and a pod that
is not root can write. It also grows a volume whose claim asks for more, and removes the folder of
one that was released. Run by the cluster as a process of its own.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from kube.home import KUBECONFIG, VOLUMES

CLASS = "local"
PROVISIONER = "local.apomixis.io"
PAUSE_S = 0.5

STORAGE_CLASS = yaml.safe_dump(
    {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }
)


def main() -> None:
    reached = config.new_client_from_config(str(KUBECONFIG))  # type: ignore[no-untyped-call]
    api = client.CoreV1Api(reached)
    while True:
        try:
            once(api)
        except Exception as wrong:  # the API server is down, or somebody was faster: again
            print(f"{type(wrong).__name__}: {wrong}", flush=True)
        time.sleep(PAUSE_S)


def once(api: Any) -> None:
    """Look at every claim and every volume, and do what is due."""
    volumes = {v.metadata.name: v for v in api.list_persistent_volume(_request_timeout=10).items}
    claims = api.list_persistent_volume_claim_for_all_namespaces(_request_timeout=10).items
    for claim in claims:
        if claim.spec.storage_class_name != CLASS:
            continue
        name = f"pvc-{claim.metadata.uid}"
        if name not in volumes:
            _provision(api, claim, name)
        elif claim.status.phase == "Bound":
            _grow(api, claim, volumes[name])
    for volume in volumes.values():
        if volume.spec.storage_class_name == CLASS and volume.status.phase == "Released":
            _remove(api, volume)


def _provision(api: Any, claim: Any, name: str) -> None:
    about = claim.metadata
    machine = (about.annotations or {}).get("volume.kubernetes.io/selected-node")
    if machine is None or about.deletion_timestamp is not None:
        return
    folder = VOLUMES / name
    folder.mkdir(parents=True, exist_ok=True)
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [machine]}
    place = {"nodeSelectorTerms": [{"matchExpressions": [term]}]}
    owner = {"namespace": about.namespace, "name": about.name, "uid": about.uid}
    body = {
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
        },
        "spec": {
            "storageClassName": CLASS,
            "capacity": claim.spec.resources.requests,
            "accessModes": claim.spec.access_modes,
            "persistentVolumeReclaimPolicy": "Delete",
            "local": {"path": str(folder)},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **owner},
            "nodeAffinity": {"required": place},
        },
    }
    api.create_persistent_volume(body, _request_timeout=10)


def _grow(api: Any, claim: Any, volume: Any) -> None:
    wanted = claim.spec.resources.requests
    if claim.status.capacity == wanted:
        return
    api.patch_persistent_volume(
        volume.metadata.name, {"spec": {"capacity": wanted}}, _request_timeout=10
    )
    about = claim.metadata
    api.patch_namespaced_persistent_volume_claim_status(
        about.name, about.namespace, {"status": {"capacity": wanted}}, _request_timeout=10
    )


def _remove(api: Any, volume: Any) -> None:
    shutil.rmtree(Path(volume.spec.local.path), ignore_errors=True)
    api.delete_persistent_volume(volume.metadata.name, _request_timeout=10)


if __name__ == "__main__":
    main()
