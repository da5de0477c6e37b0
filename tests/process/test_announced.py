"""A node that starts takes traffic once its peers have shown that they know where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from cluster import Cluster

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("announced")]

SLOW_GOSSIP = {"APOMIXIS_GOSSIP_INTERVAL": "4", "APOMIXIS_DEAD_AFTER": "30"}


def test_a_start_is_announced_before_it_is_ready(tmp_path: Path) -> None:
    with Cluster(tmp_path / "data", environment=SLOW_GOSSIP) as cluster:
        cluster.kill("node-1")

        def serves() -> bool:
            try:
                return bool(httpx.get(f"{cluster.url('node-1')}/api/status").json()["ready"])
            except httpx.TransportError:
                return False

        cluster.wait(serves, "node-1 to have caught up")
        answer = httpx.get(f"{cluster.url('node-1')}/readyz")
        assert answer.status_code == 503
        assert "called this node back" in answer.json()["detail"]
        cluster.wait_ready("node-1")
