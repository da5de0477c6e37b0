"""Simultaneous first requests for a size, spread over the nodes, cost one render in the cluster."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from apomixis_ring.reading import loads
from cluster import Cluster
from pictures import noise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from apomixis_node.cli.folder import Entry

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("one-render")]

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module", params=[(3, 3), (5, 2)], ids=["all-own-it", "two-of-five-own-it"])
def cluster(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    nodes, replication = request.param
    data = tmp_path_factory.mktemp("renders") / "images"
    one = {"APOMIXIS_WORKERS": "1"}
    with Cluster(data, nodes=nodes, replication=replication, environment=one) as running:
        yield running


def stored(cluster: Cluster, data: bytes) -> str:
    answer = httpx.post(cluster.urls[0], content=data, headers=JPEG, timeout=60)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["hash"])


def renders(cluster: Cluster) -> Counter[str]:
    """Renders by format, those that failed too, over all nodes."""
    found: Counter[str] = Counter()
    for entry in cluster.nodes:
        text = httpx.get(f"{entry.internal_url}/metrics").text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "apomixis_renders_total":
                    found[sample.labels["format"]] += int(sample.value)
    return found


async def together(urls: Sequence[str], path: str, accepts: Sequence[str]) -> list[httpx.Response]:
    """One request for each Accept, all under way before the first answer, node by node."""
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:
        return await asyncio.gather(
            *(
                client.get(urls[i % len(urls)] + path, headers={"Accept": accept})
                for i, accept in enumerate(accepts)
            )
        )


def strangers(cluster: Cluster, image_id: str) -> list[str]:
    """Public URLs of the nodes that own no copy of it."""
    ring = cluster.folder.ring()
    assert ring is not None
    owners = {member.name for member in ring.owners(image_id)}
    return [entry.public_url for entry in cluster.nodes if entry.name not in owners]


def test_64_first_requests_one_render(cluster: Cluster) -> None:
    image_id = stored(cluster, noise(1600, 1200))
    before = renders(cluster)
    path = f"/image/{image_id}/333w/x.jpg"
    answers = asyncio.run(together(cluster.urls, path, ["*/*"] * 64))
    assert [a.status_code for a in answers] == [200] * 64
    assert len({(a.content, a.headers["etag"]) for a in answers}) == 1
    assert renders(cluster) - before == Counter({"jpg": 1})
    again = asyncio.run(together(cluster.urls, path, ["*/*"] * 16))
    assert {a.content for a in again} == {answers[0].content}
    assert renders(cluster) - before == Counter({"jpg": 1}), "it was kept"


def test_auto_is_one_render_a_format(cluster: Cluster) -> None:
    image_id = stored(cluster, noise(800, 600))
    before = renders(cluster)
    kinds = {"image/avif,image/webp": "avif", "image/webp": "webp", "*/*": "jpeg", "": "jpeg"}
    # The order changes from round to round, or each node would hear of one kind only.
    accepts = [list(kinds)[(i + i // 4) % 4] for i in range(64)]
    answers = asyncio.run(together(cluster.urls, f"/image/{image_id}/222w/x.auto", accepts))
    for accept, answer in zip(accepts, answers, strict=True):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == f"image/{kinds[accept]}"
    assert renders(cluster) - before == Counter({"jpg": 1, "webp": 1, "avif": 1})


def test_nodes_that_own_none_of_it_serve_it_all_the_same(cluster: Cluster) -> None:
    data = noise(300, 200, "PNG")
    image_id = stored(cluster, data)
    asked = strangers(cluster, image_id) or list(cluster.urls)
    before = renders(cluster)
    small = asyncio.run(together(asked, f"/image/{image_id}/90s/x.webp", ["*/*"] * 64))
    assert [a.status_code for a in small] == [200] * 64
    assert len({a.content for a in small}) == 1
    assert renders(cluster) - before == Counter({"webp": 1})
    for url in asked:
        path = f"{url}/image/{image_id}/full/x.png"
        assert httpx.get(path).content == data
        part = httpx.get(path, headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, data[1000:2000])
        missing = httpx.get(f"{url}/image/{'1' * 40}/full/x.png")
        assert missing.status_code == 404
        assert httpx.get(f"{url}/info/{image_id}").json()["unknown"] == []


def test_base_levels_are_made_once_on_the_primary_and_serve_every_node(cluster: Cluster) -> None:
    """The levels come after the upload's answer, nobody is shown one, and a delete purges them."""
    image_id = stored(cluster, noise(1700, 40))
    url = f"/image/{image_id}/100w/x.jpg"
    answers = [httpx.get(base + url, timeout=60) for base in cluster.urls]
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["etag"] for answer in answers}) == 1
    holders = [entry.name for entry in cluster.nodes if levels(entry, image_id)]
    ring = loads(cluster.folder.ring_file.read_text())
    assert holders == [ring.owners(image_id)[0].name]
    for size in ("level-640", "level-1600"):
        assert httpx.get(f"{cluster.urls[0]}/image/{image_id}/{size}/x.jpg").status_code == 400
    assert httpx.delete(f"{cluster.urls[0]}/image/{image_id}").status_code == 200
    assert not any(levels(entry, image_id) for entry in cluster.nodes)


def levels(entry: Entry, image_id: str) -> list[Path]:
    return sorted((Path(entry.data) / "cache").rglob(f"{image_id}/level-*"))
