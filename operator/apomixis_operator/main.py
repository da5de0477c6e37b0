"""kopf's wiring, and nothing else: every event only wakes a cluster's task.

No create, update or delete handlers, timers or daemons: those write annotations and finalizers to
the user's object, and deleting a namespace must never hang on a dead operator.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import Any

import kopf
import structlog

from apomixis_operator.health import serve
from apomixis_operator.kube import Kube
from apomixis_operator.loop import Loop
from apomixis_operator.metrics import Metrics
from apomixis_operator.resources.names import GROUP, MANAGER, PLURAL, VERSION
from apomixis_operator.settings import Settings

OURS = {"app.kubernetes.io/managed-by": MANAGER}
INSTANCE = "app.kubernetes.io/instance"
WATCHED = (
    ("apps", "v1", "statefulsets"),
    ("", "v1", "pods"),
    ("", "v1", "configmaps"),
    ("", "v1", "persistentvolumeclaims"),
    ("batch", "v1", "jobs"),
)


def registry_for(loop: Loop) -> kopf.OperatorRegistry:
    """Handlers that wake."""
    registry = kopf.get_default_registry()

    async def on_cluster(namespace: str | None, name: str | None, **_: Any) -> None:
        if namespace and name:
            loop.wake(namespace, name)

    async def on_child(namespace: str | None, labels: Any, **_: Any) -> None:
        if namespace and labels.get(INSTANCE):
            loop.wake(namespace, labels[INSTANCE])

    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(on_cluster)
    for group, version, plural in WATCHED:
        kopf.on.event(group, version, plural, labels=OURS, registry=registry)(on_child)
    return registry


async def run(settings: Settings) -> None:
    """Until SIGTERM."""
    metrics = Metrics()
    loop = Loop(Kube.connect(), settings, metrics)
    server = await serve(settings.port, loop, metrics.registry)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await kopf.operator(
            registry=registry_for(loop),
            settings=_kopf_settings(),
            namespaces=settings.namespaces,
            clusterwide=not settings.namespaces,
            standalone=True,
            stop_flag=stop,
        )
    finally:
        server.close()
        await loop.stop()


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.networking.request_timeout = 30
    return settings


def main() -> None:
    """The program `apomixis-operator`."""
    settings = Settings()
    level = getattr(logging, settings.log_level.upper(), logging.INFO)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr)
    asyncio.run(run(settings))
