"""Members as the ring is to have them: by lasting names, in the zones of their pods."""

from __future__ import annotations

from dataclasses import replace

from apomixis_operator.observed import NodeSeen, Observed
from apomixis_operator.resources.names import pod_url
from apomixis_ring.model import Member


def as_member(seen: Observed, node: NodeSeen) -> Member | None:
    """The member that a node is; None while its zone is not known: never a silent empty zone.

    Its address in the ring is the name of its pod; where that is now, gossip knows sooner than DNS.
    """
    pod = seen.pods.get(node.member.name)
    if pod is None or not pod.zone:
        return None
    url = pod_url(seen.cluster, node.member.name)
    return replace(node.member, url=url, zone=pod.zone, weight=1.0)


def named(annotation: str) -> frozenset[str]:
    """The pods or members that an annotation names, separated by commas."""
    return frozenset(part.strip() for part in annotation.split(",") if part.strip())
