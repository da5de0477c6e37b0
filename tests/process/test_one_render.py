"""Simultaneous first requests for a size, spread over the nodes, cost one render in the cluster."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster import Cluster
from pictures import noise

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("one-render")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    data = tmp_path_factory.mktemp("renders") / "images"
    with Cluster(data, nodes=4, replication=2, write_quorum=2) as running:
        yield running


def renders(cluster: Cluster) -> Counter[str]:
    """Renders by format, over all nodes."""
    found: Counter[str] = Counter()
    for entry in cluster.nodes:
        text = httpx.get(f"{entry.internal_url}/metrics").text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "apomixis_renders_total" and sample.labels["result"] == "made":
                    found[sample.labels["format"]] += int(sample.value)
    return found


async def together(cluster: Cluster, path: str, accepts: list[str]) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        urls = cluster.urls
        return await asyncio.gather(
            *(
                client.get(urls[i % len(urls)] + path, headers={"Accept": accept})
                for i, accept in enumerate(accepts)
            )
        )


def test_64_first_requests_one_render(cluster: Cluster) -> None:
    image_id = httpx.post(
        cluster.urls[0], content=noise(1600, 1200), headers={"Content-Type": "image/jpeg"}
    ).json()["hash"]
    before = renders(cluster)
    answers = asyncio.run(together(cluster, f"/image/{image_id}/333w/x.jpg", ["*/*"] * 64))
    assert [a.status_code for a in answers] == [200] * 64
    assert len({a.content for a in answers}) == 1
    assert renders(cluster) - before == Counter({"jpg": 1})


def test_auto_is_one_render_a_format(cluster: Cluster) -> None:
    image_id = httpx.post(
        cluster.urls[1], content=noise(800, 600), headers={"Content-Type": "image/jpeg"}
    ).json()["hash"]
    before = renders(cluster)
    accepts = ["image/avif,image/webp", "image/webp", "*/*", ""] * 8
    answers = asyncio.run(together(cluster, f"/image/{image_id}/222w/x.auto", accepts))
    assert [a.status_code for a in answers] == [200] * 32
    assert renders(cluster) - before == Counter({"jpg": 1, "webp": 1, "avif": 1})
