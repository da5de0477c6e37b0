"""The nodes' internal listeners: the only module that talks to nodes. Silence is "unknown"."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import structlog

from apomixis_operator.observed import NodeSeen
from apomixis_operator.resources.names import INTERNAL_PORT
from apomixis_ring.model import Member, Ring, RingError
from apomixis_ring.reading import from_json
from apomixis_ring.reports import read_member, read_report

TIMEOUT_S = 5.0
RING_TIMEOUT_S = 60.0  # adopting a ring waits for the writes that began under the older one
AT_ONCE = 16
log = structlog.get_logger()


class Nodes:
    """Calls with one cluster's secret."""

    def __init__(self, secret: str) -> None:
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {secret}"}, timeout=TIMEOUT_S, trust_env=False
        )

    def __enter__(self) -> Nodes:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def look(self, addresses: Mapping[str, str], newer_than: int) -> dict[str, NodeSeen]:
        """What nodes say, by pod name, of those that answer as that pod.

        Their rings are asked for where they know a newer epoch than `newer_than`.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = pool.map(lambda pod: self._one(pod, addresses[pod], newer_than), addresses)
            return {name: seen for name, seen in answers if seen is not None}

    def _one(self, pod: str, ip: str, newer_than: int) -> tuple[str, NodeSeen | None]:
        try:
            said = self._client.get(f"{_url(ip)}/report").raise_for_status().json()
            ring = None
            if int(said["epoch"]) > newer_than:
                ring = from_json(self._client.get(f"{_url(ip)}/ring").raise_for_status().json())
            seen = _seen(said, ring)
        except (httpx.HTTPError, ValueError, KeyError, TypeError, RingError) as silence:
            log.debug("node is silent", pod=pod, why=repr(silence))
            return pod, None
        return pod, seen if seen.member.name == pod else None

    def offer_ring(self, ip: str, member: Member, ring: Ring) -> bool:
        """Put the ring to a node; whether it acknowledged it."""
        headers = {"Apomixis-Incarnation": member.incarnation}
        try:
            answer = self._client.put(
                f"{_url(ip)}/ring", content=ring.dumps(), headers=headers, timeout=RING_TIMEOUT_S
            )
        except httpx.HTTPError:
            return False
        return answer.is_success

    def ask(self, ip: str, member: Member, what: str, epoch: int) -> bool:
        """Ask a node to retire, clean or drain; whether it said that it does."""
        headers = {"Apomixis-Incarnation": member.incarnation, "Apomixis-Epoch": str(epoch)}
        try:
            return self._client.post(f"{_url(ip)}/{what}", headers=headers).is_success
        except httpx.HTTPError:
            return False


def _url(ip: str) -> str:
    return f"http://[{ip}]:{INTERNAL_PORT}" if ":" in ip else f"http://{ip}:{INTERNAL_PORT}"


def _seen(said: Mapping[str, Any], ring: Ring | None) -> NodeSeen:
    """`GET /report` as values. Raises KeyError, TypeError, ValueError for anything else."""
    disk = said.get("disk") or {}
    return NodeSeen(
        member=read_member(said),
        report=read_report(said),
        ready=bool(said["ready"]),
        caught_up=bool(said["caughtUp"]),
        synced_bytes=int(said["synced"]["bytes"]),
        used_bytes=int(disk.get("total", 0)) - int(disk.get("free", 0)),
        capacity_bytes=int(disk.get("total", 0)),
        alive=frozenset(map(str, said["alive"])),
        ring=ring,
        keys=tuple(map(str, said.get("keys", ()))),  # older nodes don't tell
    )
