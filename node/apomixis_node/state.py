"""The parts of one running node, by name. Built once at start; routes reach it through the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apomixis_node.access import Secrets, Signing, UploadKeys
    from apomixis_node.announced import Announced
    from apomixis_node.cache import Cache
    from apomixis_node.epochs import Rings
    from apomixis_node.front import Front
    from apomixis_node.identity import Identity
    from apomixis_node.inventory import Digests
    from apomixis_node.metrics import Metrics
    from apomixis_node.peers import Peers
    from apomixis_node.render import Encoding
    from apomixis_node.settings import Settings
    from apomixis_node.singleflight import SingleFlight
    from apomixis_node.store import Store
    from apomixis_node.sync import Progress
    from apomixis_node.tasks import Tasks
    from apomixis_node.verify import Verifying
    from apomixis_node.workers import Workers
    from apomixis_ring.knowledge import Knowledge
    from apomixis_ring.model import Member
    from apomixis_ring.rumours import View


@dataclass
class Node:
    """One node: its settings, its disk, its workers, and what it knows of the others."""

    settings: Settings
    identity: Identity
    rings: Rings
    peers: Peers
    store: Store
    cache: Cache
    front: Front
    encoding: Encoding
    workers: Workers
    flights: SingleFlight
    tasks: Tasks
    metrics: Metrics
    secrets: Secrets
    upload_keys: UploadKeys
    signing: Signing
    knowledge: Knowledge
    digests: Digests
    view: View
    announced: Announced
    syncing: Progress
    verifying: Verifying
    uploads_under_way: int = field(default=0)
    watchers: int = field(default=0)  # live status pages
    retired_at: int = field(default=0)
    wants_sync: set[int] = field(default_factory=set)  # partitions that a read found lacking
    preparing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    stop: Callable[[], None] = field(default=lambda: None)
    stopping: bool = field(default=False)

    @property
    def key(self) -> str:
        """This member's key in the ring: `name@incarnation`."""
        return f"{self.identity.name}@{self.identity.incarnation}"

    def is_me(self, member: Member) -> bool:
        """Whether that member is this node, on this volume."""
        return member.key == self.key

    @property
    def ready(self) -> bool:
        """Has a ring, has heard enough tombstones of what it owns, is not on its way out."""
        ring = self.rings.known
        if ring is None or self.stopping or self.retired_at == ring.epoch:
            return False
        return self.knowledge.ready(ring)
