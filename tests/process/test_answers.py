"""Answers of three real nodes: the same headers from each, conditions, ranges, errors, status."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster import Cluster
from pictures import corners, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("answers")]

NOBODY = "1" * 40
ORIGINAL = encoded(corners(300, 200), "PNG")
ID = hashlib.sha1(ORIGINAL, usedforsecurity=False).hexdigest()
PATHS = {
    "rendition": f"/image/{ID}/50w/na%20me.jpg",
    "original": f"/image/{ID}/full/na%20me.png",
    "auto": f"/image/{ID}/50w/na%20me.auto",
}
OWN_TO_A_REQUEST = {"date", "x-request-id"}
NEVER = "Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60, trust_env=False) as one:
        yield one


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, client: httpx.Client) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("answers") / "images"
    with Cluster(folder, zones=("a", "b", "c")) as running:
        posted = client.post(
            running.urls[0], content=ORIGINAL, headers={"Content-Type": "image/png"}
        )
        assert (posted.status_code, posted.json()["hash"]) == (201, ID)
        yield running


def from_each(
    cluster: Cluster, client: httpx.Client, path: str, method: str = "GET", **headers: str
) -> httpx.Response:
    """The answer of the last node, once all three are equal in all that a client can see."""
    answers = [client.request(method, url + path, headers=headers) for url in cluster.urls]
    seen = [
        (
            answer.status_code,
            {k: v for k, v in answer.headers.items() if k not in OWN_TO_A_REQUEST},
            answer.content,
        )
        for answer in answers
    ]
    assert seen == [seen[0]] * 3
    return answers[-1]


@pytest.mark.parametrize("kind", PATHS)
def test_a_picture_has_the_headers_that_caches_need(
    cluster: Cluster, client: httpx.Client, kind: str
) -> None:
    answer = from_each(cluster, client, PATHS[kind], Accept="image/webp")
    extension = {"rendition": "jpg", "original": "png", "auto": "webp"}[kind]
    wanted = {
        "cache-control": "public, max-age=31536000, immutable",
        "content-type": "image/jpeg" if extension == "jpg" else f"image/{extension}",
        "content-disposition": f"inline; filename*=UTF-8''na%20me.{extension}",
        "content-length": str(len(answer.content)),
        "x-content-type-options": "nosniff",
        "access-control-allow-origin": "*",
    }
    assert {k: answer.headers[k] for k in wanted} == wanted
    changed = int(parsedate_to_datetime(answer.headers["last-modified"]).timestamp())
    assert answer.headers["etag"] == f'"{changed:x}-{len(answer.content):x}"'
    assert answer.headers.get("vary") == ("Accept" if kind == "auto" else None)
    assert answer.headers.get("accept-ranges") == ("bytes" if kind == "original" else None)
    head = from_each(cluster, client, PATHS[kind], "HEAD", Accept="image/webp")
    assert head.content == b""
    for header in set(answer.headers) - OWN_TO_A_REQUEST:
        assert head.headers[header] == answer.headers[header], header


@pytest.mark.parametrize("kind", PATHS)
def test_what_a_client_has_is_not_sent_again(
    cluster: Cluster, client: httpx.Client, kind: str
) -> None:
    accept = {"Accept": "image/avif,image/webp"}
    seen = from_each(cluster, client, PATHS[kind], **accept)
    etag, modified = seen.headers["etag"], seen.headers["last-modified"]
    for status, conditions in (
        (304, {"If-None-Match": etag}),
        (304, {"If-None-Match": f'"0-0", W/{etag}'}),
        (304, {"If-None-Match": "*"}),
        (304, {"If-Modified-Since": modified}),
        (304, {"If-None-Match": etag, "If-Modified-Since": modified}),
        (200, {"If-None-Match": '"0-0"'}),
        (200, {"If-Modified-Since": NEVER}),
        (200, {"If-None-Match": etag, "If-Modified-Since": NEVER}),
        (200, {"If-Match": etag}),
        (412, {"If-Match": f"W/{etag}"}),
        (412, {"If-Unmodified-Since": NEVER}),
    ):
        answer = client.get(cluster.urls[1] + PATHS[kind], headers=accept | conditions)
        assert answer.status_code == status, conditions
        if status == 304:
            same = from_each(cluster, client, PATHS[kind], **(accept | conditions))
            assert (same.content, same.headers["etag"]) == (b"", etag)
        if status != 412:
            assert answer.headers["cache-control"].endswith("immutable")
        if kind == "auto":
            assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("10-19", 10, 20),
        ("0-0", 0, 1),
        ("99-", 99, None),
        ("-7", -7, None),
        ("5-999999", 5, None),
    ],
)
def test_a_range_of_an_original(
    cluster: Cluster, client: httpx.Client, asked: str, start: int, end: int | None
) -> None:
    part = from_each(cluster, client, PATHS["original"], Range=f"bytes={asked}")
    assert (part.status_code, part.content) == (206, ORIGINAL[start:end])
    first = start % len(ORIGINAL)
    last = first + len(part.content) - 1
    assert part.headers["content-range"] == f"bytes {first}-{last}/{len(ORIGINAL)}"


def test_ranges_that_can_not_be(cluster: Cluster, client: httpx.Client) -> None:
    beyond = from_each(cluster, client, PATHS["original"], Range=f"bytes={len(ORIGINAL)}-")
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(ORIGINAL)}"
    for whole in (
        {"Range": "bytes=0-1,4-5"},
        {"Range": "bytes=0-1", "If-Range": '"another"'},
        {"Range": "lines=0-1"},
    ):
        answer = from_each(cluster, client, PATHS["original"], **whole)
        assert (answer.status_code, answer.content) == (200, ORIGINAL)
    assert from_each(cluster, client, PATHS["rendition"], Range="bytes=0-1").status_code == 200


@pytest.mark.parametrize(
    ("asked", "canonical"),
    [
        ("0100w/x.png", "100w/x.png"),
        ("200h300w/x.jpeg", "300w200h/x.jpg"),
        ("200h300wc50x50/a%20b.JPG", "300w200hc/a%20b.jpg"),
        ("200s050x020/x.auto", "200s50x20/x.auto"),
        ("full/x.tif", "full/x.tiff"),
    ],
)
def test_another_spelling_is_sent_to_the_canonical_one(
    cluster: Cluster, client: httpx.Client, asked: str, canonical: str
) -> None:
    answer = from_each(cluster, client, f"/image/{ID}/{asked}")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"/image/{ID}/{canonical}"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/image/{NOBODY}/100w/x.jpg", 404, "not_found"),
        (f"/image/{NOBODY}/100w/x.auto", 404, "not_found"),
        (f"/image/{NOBODY}/full/x.jpg", 404, "not_found"),
        (f"/info/{NOBODY}", 404, "not_found"),
        ("/no/such/page", 404, "not_found"),
        ("/metrics", 404, "not_found"),
        (f"/image/{ID}/x/x.jpg", 400, "bad_size"),
        (f"/image/{ID}/4097w/x.jpg", 400, "bad_size"),
        (f"/image/{ID}/100wq60/x.jpg", 400, "bad_size"),
        (f"/image/{ID[:-1]}/100w/x.jpg", 400, "bad_id"),
        (f"/image/{ID.upper()}/100w/x.jpg", 400, "bad_id"),
        (f"/info/{ID[:-1]}", 400, "bad_id"),
        (f"/image/{ID}/100w/x.exe", 400, "bad_path"),
        (f"/image/{ID}/100w/a%0d%0aSet-Cookie:b.jpg", 404, "not_found"),
        (f"/image/{ID}/100w/a%2fb.jpg", 400, "bad_path"),
        (f"/image/{ID}/100w/x.tiff", 415, "unsupported_format"),
        (f"/image/{ID}/full/x.tiff", 415, "unsupported_format"),
    ],
)
def test_an_error_is_json_for_programs_and_a_page_for_people(
    cluster: Cluster, client: httpx.Client, path: str, status: int, code: str
) -> None:
    told = from_each(cluster, client, path, Accept="application/json")
    assert (told.status_code, told.json()["error"]) == (status, code)
    assert len(told.json()["detail"]) > 20
    page = from_each(cluster, client, path, Accept="text/html,*/*")
    assert page.status_code == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<html" in page.text
    for answer in (told, page):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["vary"] == "Accept"
        assert "set-cookie" not in answer.headers


def test_a_method_that_is_none(cluster: Cluster, client: httpx.Client) -> None:
    for path in (PATHS["rendition"], "/info/" + ID):
        answer = client.put(cluster.urls[0] + path)
        assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_info_names_owners_and_holders(cluster: Cluster, client: httpx.Client) -> None:
    ring = cluster.folder.ring()
    assert ring is not None
    found = from_each(cluster, client, f"/info/{ID}").json()
    told = [found[k] for k in ("hash", "format", "extension", "width", "height", "length")]
    assert told == [ID, "png", "png", 300, 200, len(ORIGINAL)]
    assert found["owners"] == [member.name for member in ring.owners(ID)]
    assert sorted(found["holders"]) == ["node-0", "node-1", "node-2"]
    assert (found["unknown"], found["animated"], found["alpha"]) == ([], False, False)
    assert found["color"].startswith("#")
    assert found["placeholder"].startswith("data:image/webp;base64,")
    uploaded = datetime.fromisoformat(found["uploaded"]).replace(microsecond=0)
    original = client.head(cluster.urls[0] + PATHS["original"])
    assert format_datetime(uploaded, usegmt=True) == original.headers["last-modified"]


def test_status_and_health(cluster: Cluster, client: httpx.Client) -> None:
    for entry in cluster.nodes:
        status = client.get(f"{entry.public_url}/api/status").json()
        assert status["self"] == entry.name
        assert [n["state"] for n in status["nodes"]] == ["alive"] * 3
        assert [n["zone"] for n in status["nodes"]] == ["a", "b", "c"]
        assert status["ring"]["epoch"] == status["epoch"] == 1
        assert status["ring"]["pending"] is None
        page = client.get(f"{entry.public_url}/status")
        assert (page.status_code, "All 3 nodes answer." in page.text) == (200, True)
        for path in ("/healthz", "/readyz"):
            for url in (entry.public_url, entry.internal_url):
                assert client.get(url + path).status_code == 200


def test_metrics_are_named_as_prometheus_wants_them(cluster: Cluster, client: httpx.Client) -> None:
    from_each(cluster, client, PATHS["rendition"])
    for entry in cluster.nodes:
        answer = client.get(f"{entry.internal_url}/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        families = {f.name: f for f in text_string_to_metric_families(answer.text)}
        own = [f for name, f in families.items() if name.startswith("apomixis_")]
        assert {"process_resident_memory_bytes", "apomixis_ring_epoch"} <= set(families)
        assert len(own) >= 8
        for family in own:
            assert family.documentation.endswith("."), family.name
            assert not family.name.endswith(("_total", "_created")), family.name
            names = {sample.name for sample in family.samples}
            if family.type == "counter":
                assert names <= {f"{family.name}_total"}
            if family.type == "histogram":
                assert family.name.endswith(("_seconds", "_bytes"))
