"""Looking: everything about one cluster, live, as frozen values."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apomixis_operator.kube import Kube, Object
from apomixis_operator.nodes import Nodes
from apomixis_operator.observed import Claim, Cluster, Job, Observed, Pod, RingObject, StatefulSet
from apomixis_operator.resources import jobs as job_resources
from apomixis_operator.resources import names
from apomixis_operator.resources.ring import DamagedRingError, from_config_map
from apomixis_operator.resources.secret import keys_of, read_secret
from apomixis_operator.resources.statefulset import TEMPLATE_HASH
from apomixis_operator.settings import Settings
from apomixis_operator.spec import InvalidSpecError, read_spec, size_in_bytes
from apomixis_operator.times import seconds

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
CHILDREN = (
    "ServiceAccount",
    "ConfigMap",
    "Service",
    "Ingress",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "CronJob",
    "StatefulSet",
    "ServiceMonitor",
)


@dataclass
class Applied:
    """What was applied, and what the server made of it: unchanged both, nothing is sent again."""

    known: dict[str, tuple[str, str]] = field(default_factory=dict)

    def note(self, body: Mapping[str, Any], digest: str, answer: Object) -> None:
        """`body` was applied; `answer` is the object as it is since."""
        self.known[names.key_of(body)] = (digest, version_of(answer))

    def as_seen(self, live: Mapping[str, str]) -> dict[str, str]:
        """Hash of what was applied, where the object is as the server answered then; else ""."""
        found = {}
        for key, version in live.items():
            digest, then = self.known.get(key, ("", ""))
            found[key] = digest if version == then else ""
        return found


def version_of(body: Mapping[str, Any]) -> str:
    """What changes when somebody changes the object, and not with its status where it has one."""
    metadata = body.get("metadata") or {}
    return str(metadata.get("generation") or metadata.get("resourceVersion"))


def observe(kube: Kube, body: Object, applied: Applied, settings: Settings) -> Observed:
    """Look at everything that belongs to a cluster. Raises RefusedError, ApiException."""
    cluster = read_cluster(body)
    namespace, name = cluster.namespace, cluster.name
    everything = names.as_text(
        {k: v for k, v in names.selector(name).items() if "component" not in k}
    )
    ring, ring_error = _ring(kube, cluster)
    secret = kube.get("Secret", namespace, names.secret_name(name))
    live = {
        f"{kind}/{child['metadata']['name']}": version_of(child)
        for kind in CHILDREN
        for child in kube.listed(kind, namespace, everything)
    }
    stateful_set = kube.get("StatefulSet", namespace, name)
    component = names.as_text(names.selector(name))
    pods = {p.name: p for p in _pods(kube, cluster, component, settings)}
    claims = kube.listed("PersistentVolumeClaim", namespace, component)
    rebalance = names.as_text(names.selector(name, names.REBALANCE))
    nodes = {}
    if secret is not None:
        epoch = ring.ring.epoch if ring else 0
        addresses = {p.name: p.ip for p in pods.values() if p.ip}
        with Nodes(keys_of(secret)[0]) as talk:
            nodes = talk.look(addresses, epoch)
    return Observed(
        now=time.time(),
        cluster=cluster,
        ring=ring,
        ring_error=ring_error,
        secret=None if secret is None else read_secret(cluster, secret),
        stateful_set=_stateful_set(stateful_set),
        pods=pods,
        claims={c["metadata"]["name"].removeprefix("data-"): _claim(c, cluster) for c in claims},
        jobs=tuple(_job(job) for job in kube.listed("Job", namespace, rebalance)),
        nodes=nodes,
        applied=applied.as_seen(live),
        default_image=settings.node_image,
        nginx=settings.nginx,
    )


def read_cluster(body: Mapping[str, Any]) -> Cluster:
    """The object itself."""
    metadata = body["metadata"]
    spec, invalid = None, ""
    try:
        spec = read_spec(body["spec"])
    except (InvalidSpecError, KeyError, TypeError, ValueError) as wrong:
        invalid = f"The spec can't be used: {wrong}"
    return Cluster(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=int(metadata.get("generation", 1)),
        spec=spec,
        invalid=invalid,
        deleting="deletionTimestamp" in metadata,
        annotations=metadata.get("annotations") or {},
        status=body.get("status") or {},
    )


def _ring(kube: Kube, cluster: Cluster) -> tuple[RingObject | None, str]:
    found = kube.get("ConfigMap", cluster.namespace, names.ring_name(cluster.name))
    if found is None:
        return None, ""
    try:
        return from_config_map(found), ""
    except DamagedRingError as wrong:
        return None, str(wrong)


def _pods(kube: Kube, cluster: Cluster, selector: str, settings: Settings) -> list[Pod]:
    machines: dict[str, Object | None] = {}
    found = []
    for body in kube.listed("Pod", cluster.namespace, selector):
        machine = body["spec"].get("nodeName", "")
        if settings.read_nodes and machine and machine not in machines:
            machines[machine] = kube.node(machine)
        gone = settings.read_nodes and bool(machine) and _is_gone(machines[machine])
        found.append(_pod(body, cluster, machines.get(machine), gone=gone))
    return found


def _is_gone(machine: Object | None) -> bool:
    """It is no machine of the cluster any more, or a person has said that it is out of service."""
    if machine is None:
        return True
    return any(t["key"] == OUT_OF_SERVICE for t in machine["spec"].get("taints") or ())


def _pod(body: Object, cluster: Cluster, machine: Object | None, *, gone: bool) -> Pod:
    metadata, status = body["metadata"], body.get("status") or {}
    key = cluster.spec.zone_key if cluster.spec else ""
    zone = (metadata.get("labels") or {}).get(key)
    if zone is None and machine is not None:
        zone = (machine["metadata"].get("labels") or {}).get(key)
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    since = {c["type"]: c.get("lastTransitionTime") for c in status.get("conditions") or ()}
    containers = [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]
    waiting = [
        c["state"]["waiting"].get("reason", "") for c in containers if "waiting" in c["state"]
    ]
    ordinary = ("PodInitializing", "ContainerCreating", "")
    deleted = metadata.get("deletionTimestamp")
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        ip=status.get("podIP", ""),
        ready=conditions.get("Ready") == "True",
        revision=(metadata.get("labels") or {}).get("controller-revision-hash", ""),
        deleting=deleted is not None,
        zone=zone,
        scheduled=conditions.get("PodScheduled") == "True",
        node_gone=gone,
        gone_since=seconds(deleted) if gone and deleted else None,
        ready_changed=seconds(since["Ready"]) if since.get("Ready") else 0.0,
        waiting=next((why for why in waiting if why not in ordinary), ""),
    )


def _claim(body: Object, cluster: Cluster) -> Claim:
    metadata = body["metadata"]
    requested = body["spec"]["resources"]["requests"]["storage"]
    capacity = (body.get("status") or {}).get("capacity", {}).get("storage", "0")
    owners = metadata.get("ownerReferences") or ()
    return Claim(
        name=metadata["name"],
        uid=metadata["uid"],
        requested=size_in_bytes(requested, "a volume"),
        capacity=size_in_bytes(capacity, "a volume"),
        deleting="deletionTimestamp" in metadata,
        owned=any(owner["uid"] == cluster.uid for owner in owners),
    )


def _stateful_set(body: Object | None) -> StatefulSet | None:
    if body is None:
        return None
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    strategy = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    claim = spec["volumeClaimTemplates"][0]["spec"]
    return StatefulSet(
        uid=metadata["uid"],
        generation=int(metadata["generation"]),
        observed_generation=int(status.get("observedGeneration", 0)),
        replicas=int(spec["replicas"]),
        partition=int(strategy.get("partition", 0)),
        current_revision=status.get("currentRevision", ""),
        update_revision=status.get("updateRevision", ""),
        template_hash=(metadata.get("annotations") or {}).get(TEMPLATE_HASH, ""),
        created=seconds(metadata["creationTimestamp"]),
        first_size=str(claim["resources"]["requests"]["storage"]),
    )


def _job(body: Object) -> Job:
    metadata, status = body["metadata"], body.get("status") or {}
    annotations = metadata.get("annotations") or {}
    ended = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
    return Job(
        name=metadata["name"],
        uid=metadata["uid"],
        epoch=int(annotations.get(job_resources.EPOCH, 0)),
        attempt=int(annotations.get(job_resources.ATTEMPT, 0)),
        active=not ended & {"Complete", "Failed"},
        failed="Failed" in ended,
        deleting="deletionTimestamp" in metadata,
    )
