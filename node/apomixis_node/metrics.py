"""Prometheus metrics of a node, in its own registry."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

# A gauge beside each counter that says when it was made: twice the series, and asked by nobody.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All metrics, by what they count."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "apomixis_http_requests_total",
            "HTTP requests answered.",
            ("listener", "method", "code"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "apomixis_http_request_duration_seconds",
            "Time to answer a request.",
            ("listener",),
            registry=registry,
        )
        self.uploads = Counter(
            "apomixis_uploads_total", "Uploads by result.", ("result",), registry=registry
        )
        self.upload_bytes = Counter(
            "apomixis_upload_bytes_total", "Bytes of acknowledged uploads.", registry=registry
        )
        self.renditions = Counter(
            "apomixis_renditions_total",
            "Pictures served, by where they came from.",
            ("source",),
            registry=registry,
        )
        self.renders = Counter(
            "apomixis_renders_total", "Renders.", ("format", "result"), registry=registry
        )
        self.render_seconds = Histogram(
            "apomixis_render_duration_seconds", "Time of a render.", registry=registry
        )
        self.peer_requests = Counter(
            "apomixis_peer_requests_total", "Calls to members.", ("result",), registry=registry
        )
        self.synced_bytes = Counter(
            "apomixis_synced_bytes_total", "Bytes pulled from other owners.", registry=registry
        )
        self.verified_bytes = Counter(
            "apomixis_verified_bytes_total", "Bytes hashed again by verify.", registry=registry
        )
        self.quarantined = Counter(
            "apomixis_quarantined_total", "Originals whose bytes were bad.", registry=registry
        )
        self.dropped = Counter(
            "apomixis_dropped_total", "Copies dropped that were others'.", registry=registry
        )
        self.ring_epoch = Gauge(
            "apomixis_ring_epoch", "Epoch of the adopted ring.", registry=registry
        )
