"""One node as a process: build its parts, run both listeners, end in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from pathlib import Path

import structlog
import uvicorn
from starlette.types import ASGIApp

from apomixis_node import front, gossip, identity, logs, returning, verify
from apomixis_node.access import Secrets, Signing, UploadKeys
from apomixis_node.announced import Announced
from apomixis_node.app import internal_app, public_app
from apomixis_node.cache import Cache
from apomixis_node.disk import DiskFailed, make_folder
from apomixis_node.encode import Encoding
from apomixis_node.epochs import Rings
from apomixis_node.inventory import Digests
from apomixis_node.metrics import Metrics
from apomixis_node.observe import Observe
from apomixis_node.peers import Peers
from apomixis_node.protocol import HardenedProtocol
from apomixis_node.render import pipeline_tag
from apomixis_node.settings import Settings, SettingsError
from apomixis_node.singleflight import SingleFlight
from apomixis_node.state import Node
from apomixis_node.store import Store
from apomixis_node.sync import Progress
from apomixis_node.tasks import Tasks
from apomixis_node.workers import Workers
from apomixis_ring.knowledge import Knowledge
from apomixis_ring.model import Ring
from apomixis_ring.rumours import Rumour, View

SWEEP_S = 60.0
KEEP_ALIVE_S = 45  # longer than nginx keeps an idle connection
BACKLOG = 2048
log = structlog.get_logger()


def build(settings: Settings) -> Node:
    """All parts of a node. Raises SettingsError, WrongVolumeError, DiskFailed."""
    make_folder(settings.data)
    who = identity.identify(settings.data, settings.cluster, settings.name)
    metrics = Metrics()
    rings = Rings(settings.data, identity.load_ring(settings.data))
    metrics.ring_epoch.set(rings.epoch)
    secrets = Secrets(settings.secret_file)
    encoding = Encoding(
        settings.jpeg_quality,
        settings.webp_quality,
        settings.webp_method,
        settings.avif_quality,
        settings.avif_speed,
    )
    store = Store(settings.data, settings.reserve)
    cache = Cache(settings.data, pipeline_tag(encoding), settings.cache_size, settings.reserve)
    store.room.make = cache.make_room
    store.on_loss = cache.purge
    key = f"{who.name}@{who.incarnation}"
    node = Node(
        settings=settings,
        identity=who,
        rings=rings,
        peers=Peers(key, rings, secrets, settings, metrics),
        store=store,
        cache=cache,
        front=front.Front(settings.data.absolute(), front.plan(settings), cache.root.absolute()),
        encoding=encoding,
        workers=Workers(settings),
        flights=SingleFlight(),
        tasks=Tasks(),
        metrics=metrics,
        secrets=secrets,
        upload_keys=UploadKeys(settings.upload_keys),
        signing=Signing(settings.signing_keys),
        knowledge=Knowledge(key),
        digests=Digests(store),
        view=_view(settings, who),
        announced=Announced(),
        syncing=Progress(),
        verifying=verify.load(settings.data),
    )
    rings.on_adopt = lambda before, ring: _adopted(node, before, ring)
    return node


def _view(settings: Settings, who: identity.Identity) -> View:
    started = time.time_ns() // 1_000_000
    me = Rumour(who.name, who.incarnation, started, 0, 0, settings.advertised_url, {})
    return View(me, int(settings.suspect_for * 1000), int(settings.dead_after * 1000))


def _adopted(node: Node, before: Ring | None, ring: Ring) -> None:
    """A newer ring: what is known of partitions changes with it."""
    if before is None and ring.epoch == 1 and identity.seen(node.settings.data) is None:
        node.knowledge.began_blank(ring)
    node.knowledge.adopted(before, ring)
    if node.key in ring:
        identity.note_seen(node.settings.data)
    node.metrics.ring_epoch.set(ring.epoch)
    node.wake.set()
    node.front.close()


def run(settings: Settings) -> int:
    """Run a node until SIGTERM or SIGINT; the exit status."""
    logs.configure(settings.log_level)
    structlog.contextvars.bind_contextvars(node=settings.name)
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_serve(settings))
    except (SettingsError, identity.WrongVolumeError, DiskFailed, OSError) as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    return 0


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _serve(settings: Settings) -> None:
    node = build(settings)
    if node.upload_keys.open:
        log.warning("uploads are open: no upload keys are configured")
    public = _server(Observe(public_app(node), "public", node.metrics), settings, settings.socket)
    internal = _server(Observe(internal_app(node), "internal", node.metrics), settings)
    if settings.socket is None:
        mine = [_bind(settings.host, settings.port)]
    else:
        mine = None  # uvicorn makes it
        settings.socket.unlink(missing_ok=True)
    peers = [_bind(settings.internal_host, settings.internal_port)]
    await node.workers.start()
    works = (_sweep, returning.run, gossip.run, front.run)
    background = [asyncio.create_task(work(node)) for work in works]
    _stop_on_signals(node, public, internal)
    log.info("node started", port=settings.port, internal_port=settings.internal_port)
    try:
        await asyncio.gather(public.serve(mine), internal.serve(peers))
    finally:
        for task in background:
            task.cancel()
        await node.tasks.stop()
        await node.peers.close()
        await node.workers.stop()


class _Server(uvicorn.Server):
    """Signals are the node's business: both listeners end together."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Do nothing."""
        yield


def _server(app: ASGIApp, settings: Settings, path: Path | None = None) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        uds=str(path) if path else None,
        http=HardenedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.render_deadline) + 5,
    )
    return _Server(config)


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as wrong:
        bound.close()
        raise OSError(f"Port {port} on {host} can't be had: {wrong.strerror}.") from None
    return bound


def _stop_on_signals(node: Node, *servers: uvicorn.Server) -> None:
    def stop() -> None:
        node.stopping = True
        node.front.close()
        for server in servers:
            server.should_exit = True

    node.stop = stop
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


async def _sweep(node: Node) -> None:
    """Keep the renditions within their budget."""
    await asyncio.to_thread(node.cache.forget_other_tags)
    await asyncio.to_thread(node.cache.sweep)
    while True:
        await asyncio.sleep(SWEEP_S)
        if node.cache.due:
            await asyncio.to_thread(node.cache.sweep)
