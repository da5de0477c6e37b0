"""What a user wants: the `spec` of an ApomixisCluster as values, with the CRD's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

ZONE_LABEL = "topology.kubernetes.io/zone"


class InvalidSpecError(ValueError):
    """A value that the schema let through and that can't be used; the text says which."""


@dataclass(frozen=True)
class Spec:
    """Byte sizes in bytes. What is only handed on to child objects stays as it was written."""

    replicas: int
    replication: int
    write_quorum: int
    image: str | None
    upgrade_automatically: bool
    pull_policy: str
    pull_secrets: tuple[Mapping[str, Any], ...]
    size: int
    size_text: str
    storage_class: str | None
    delete_drained: bool
    delete_with_cluster: bool
    zone_key: str
    min_zones: int
    when_unsatisfiable: str
    concurrency: int
    bandwidth: int | None
    scale_down_delay_s: int
    lost_after_s: int | None
    tombstone_days: float | None
    verify_schedule: str
    verify_bandwidth: int
    uploads: Mapping[str, Any]
    renditions: Mapping[str, Any]
    service: Mapping[str, Any]
    ingress: Mapping[str, Any] | None
    network_policy: bool
    metrics_from: tuple[Mapping[str, Any], ...]
    disruption_budget: bool
    service_monitor: bool
    monitor_labels: Mapping[str, str]
    resources: Mapping[str, Any]
    pod_template: Mapping[str, Any]
    paused: bool
    hibernate: bool
    raw: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)


def size_in_bytes(text: str | int, what: str) -> int:
    """`50Mi` as bytes. Raises InvalidSpecError."""
    try:
        value: Decimal = parse_quantity(text)  # type: ignore[no-untyped-call]
    except ValueError as wrong:
        raise InvalidSpecError(f"{what}: {text!r} is no quantity: {wrong}") from None
    return int(value)


def read_spec(raw: Mapping[str, Any]) -> Spec:
    """The values of a `spec` that the API server accepted. Raises InvalidSpecError."""
    part = _Part(raw)
    storage, topology, rebalance = part("storage"), part("topology"), part("rebalance")
    reclaim = storage.get("reclaimPolicy") or {}
    verification, monitoring = part("verification"), part("monitoring")
    replicas = int(raw["replicas"])
    replication = int(raw.get("replicationFactor", 3))
    bandwidth = rebalance.get("bandwidthLimit")
    return Spec(
        replicas=replicas,
        replication=replication,
        write_quorum=int(raw.get("writeQuorum") or replication // 2 + 1),
        image=raw.get("image"),
        upgrade_automatically=raw.get("upgradePolicy") == "Auto",
        pull_policy=raw.get("imagePullPolicy", "IfNotPresent"),
        pull_secrets=tuple(raw.get("imagePullSecrets") or ()),
        size=size_in_bytes(storage["size"], "storage.size"),
        size_text=str(storage["size"]),
        storage_class=storage.get("storageClassName"),
        delete_drained=reclaim.get("whenDrained") == "Delete",
        delete_with_cluster=reclaim.get("whenDeleted") == "Delete",
        zone_key=topology.get("zoneKey", ZONE_LABEL),
        min_zones=int(topology.get("minZones", 1)),
        when_unsatisfiable=topology.get("whenUnsatisfiable", "ScheduleAnyway"),
        concurrency=int(rebalance.get("maxConcurrentTransfers", 4)),
        bandwidth=None if bandwidth is None else size_in_bytes(bandwidth, "rebalance"),
        scale_down_delay_s=int(rebalance.get("scaleDownDelaySeconds", 0)),
        lost_after_s=part("heal").get("lostAfterSeconds"),
        tombstone_days=raw.get("tombstoneDays"),
        verify_schedule=verification.get("schedule", "17 3 * * *"),
        verify_bandwidth=size_in_bytes(verification.get("bandwidthLimit", "50Mi"), "verification"),
        uploads=part("uploads"),
        renditions=part("renditions"),
        service=part("service"),
        ingress=raw.get("ingress"),
        network_policy=bool(part("networkPolicy").get("enabled", True)),
        metrics_from=tuple(part("networkPolicy").get("metricsFrom") or ()),
        disruption_budget=bool(part("disruptionBudget").get("enabled", True)),
        service_monitor=bool(monitoring.get("serviceMonitor", False)),
        monitor_labels=monitoring.get("labels") or {},
        resources=raw.get("resources") or {},
        pod_template=raw.get("podTemplate") or {},
        paused=bool(raw.get("paused", False)),
        hibernate=bool(raw.get("hibernate", False)),
        raw=raw,
    )


class _Part:
    """Reads a section that may be missing."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw

    def __call__(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._raw.get(name) or {}
        return found
