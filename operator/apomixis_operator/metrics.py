"""The operator's metrics, named as Prometheus names things."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from apomixis_operator.actions import Plan

CLUSTER = ("namespace", "cluster")


class Metrics:
    """One registry for all clusters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.took = Histogram(
            "apomixis_operator_reconcile_seconds", "Duration of a round.", registry=self.registry
        )
        self.failed = Counter(
            "apomixis_operator_reconcile_failures",
            "Rounds that ended in an error.",
            CLUSTER,
            registry=self.registry,
        )
        self.blocked = Gauge(
            "apomixis_cluster_blocked",
            "1 where somebody has to do something.",
            CLUSTER,
            registry=self.registry,
        )
        self.progressing = Gauge(
            "apomixis_cluster_progressing",
            "1 while a cluster is on its way to what is wanted.",
            CLUSTER,
            registry=self.registry,
        )
        self.proved = Gauge(
            "apomixis_cluster_rebalance_partitions_proved",
            "Changed partitions that are proved, in a transition.",
            CLUSTER,
            registry=self.registry,
        )
        self.changed = Gauge(
            "apomixis_cluster_rebalance_partitions_changed",
            "Partitions that a transition changes.",
            CLUSTER,
            registry=self.registry,
        )

    def note(self, namespace: str, cluster: str, planned: Plan) -> None:
        """What a round found."""
        key = (namespace, cluster)
        done, total = planned.progress
        self.blocked.labels(*key).set(planned.blocked)
        self.progressing.labels(*key).set(planned.phase != "Ready")
        self.proved.labels(*key).set(done)
        self.changed.labels(*key).set(total)

    def forget(self, namespace: str, cluster: str) -> None:
        """That cluster is gone."""
        for gauge in (self.blocked, self.progressing, self.proved, self.changed):
            gauge.remove_by_labels({"namespace": namespace, "cluster": cluster})
