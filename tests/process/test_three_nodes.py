"""Three real nodes: a picture posted to any of them comes back at any size from every one."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from cluster import Cluster
from needs import need
from pictures import CORNERS, animation, corners, encoded

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("three")]
BACKGROUNDS = Path("/usr/share/backgrounds/mate")
# Asked for: the columns of the table of sizes. Rows: width, height, orientation, what comes.
ASKED = ("100s", "100w", "100h", "200w100h", "100w200h", "100w50hc")
SIZES = [
    (200, 100, 1, ("100x100", "100x50", "200x100", "200x100", "100x50", "100x50")),
    (300, 400, 1, ("100x100", "100x133", "75x100", "75x100", "100x133", "100x50")),
    (200, 100, 6, ("100x100", "100x50", "200x100", "200x100", "100x50", "100x50")),
    (20, 20, 1, ("20x20", "20x20", "20x20", "20x20", "20x20", "20x10")),
    (940, 2, 1, ("2x2", "100x1", "940x2", "200x1", "100x1", "4x2")),
    (4000, 500, 1, ("100x100", "100x13", "800x100", "200x25", "100x13", "100x50")),
    (533, 800, 1, ("100x100", "100x150", "67x100", "67x100", "100x150", "100x50")),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    data = tmp_path_factory.mktemp("three") / "images"
    with Cluster(data, zones=("a", "b", "c")) as running:
        yield running


def post(url: str, data: bytes, kind: str = "image/png") -> dict[str, Any]:
    answer = httpx.post(url, content=data, headers={"Content-Type": kind}, timeout=60)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def get(url: str, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{url}{path}", headers=headers, timeout=60)


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize(("width", "height", "orientation", "results"), SIZES)
def test_every_size_from_every_node(
    cluster: Cluster, width: int, height: int, orientation: int, results: tuple[str, ...]
) -> None:
    node = width % 3
    image_id = post(cluster.urls[node], encoded(corners(width, height), "PNG", orientation))["hash"]
    for size, wanted in zip(ASKED, results, strict=True):
        answers = [get(url, f"/image/{image_id}/{size}/x.png") for url in cluster.urls]
        shown = opened(answers[0])
        assert f"{shown.width}x{shown.height}" == wanted, size
        assert len({a.content for a in answers}) == 1
        assert len({a.headers["etag"] for a in answers}) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_corners_are_where_a_person_sees_them(cluster: Cluster, orientation: int) -> None:
    data = encoded(corners(240, 120), "JPEG", orientation, quality=95)
    image_id = post(cluster.urls[orientation % 3], data, "image/jpeg")["hash"]
    for url in cluster.urls:
        shown = opened(get(url, f"/image/{image_id}/100w/x.png")).convert("RGB")
        assert shown.size == (100, 50)
        places = ((8, 4), (91, 4), (8, 45), (91, 45))
        for place, wanted in zip(places, CORNERS, strict=True):
            found = shown.getpixel(place)
            assert isinstance(found, tuple)
            assert sum(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 60


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP"])
def test_full_is_the_original_byte_for_byte(cluster: Cluster, form: str) -> None:
    data = encoded(corners(64, 32), form)
    for url in cluster.urls:
        answer = post(url, data, "image/x-anything")
        assert answer["hash"] == hashlib.sha1(data, usedforsecurity=False).hexdigest()
        for other in cluster.urls:
            path = f"/image/{answer['hash']}/full/x.{answer['extension']}"
            assert get(other, path).content == data
    assert sorted(answer["nodes"]) == ["node-0", "node-1", "node-2"]
    assert answer["satisfied"] is True
    assert (answer["width"], answer["height"], answer["length"]) == (64, 32, len(data))


def test_201_then_200_raw_and_multipart(cluster: Cluster) -> None:
    data = encoded(corners(31, 17), "PNG")
    first = httpx.post(cluster.urls[0], content=data, headers={"Content-Type": "image/png"})
    files = {"image": ("été à la mer.png", data, "application/octet-stream")}
    second = httpx.post(cluster.urls[1], files=files)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["hash"] == second.json()["hash"]
    assert second.json()["full_url"].endswith("/full/%C3%A9t%C3%A9%20%C3%A0%20la%20mer.png")
    assert httpx.get(second.json()["full_url"]).content == data
    assert first.json()["color"].startswith("#")
    assert first.json()["placeholder"].startswith("data:image/webp;base64,")


@pytest.mark.parametrize(
    ("extension", "kind"),
    [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("avif", "AVIF"), ("gif", "GIF")],
)
def test_every_format_out(cluster: Cluster, extension: str, kind: str) -> None:
    image_id = post(cluster.urls[0], encoded(corners(90, 60), "PNG"))["hash"]
    answers = [get(url, f"/image/{image_id}/50w/x.{extension}") for url in cluster.urls]
    assert opened(answers[0]).format == kind
    assert len({a.content for a in answers}) == 1


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/avif,image/webp,*/*", "AVIF"),
        ("image/webp,*/*", "WEBP"),
        ("image/avif;q=0,image/webp", "WEBP"),
        ("*/*", "JPEG"),
        ("", "JPEG"),
    ],
)
def test_auto_by_accept(cluster: Cluster, accept: str, kind: str) -> None:
    image_id = post(cluster.urls[0], encoded(corners(91, 61), "JPEG"), "image/jpeg")["hash"]
    for url in cluster.urls:
        answer = get(url, f"/image/{image_id}/50w/x.auto", Accept=accept)
        assert opened(answer).format == kind
        assert answer.headers["vary"] == "Accept"
        assert f".{kind.lower().replace('jpeg', 'jpg')}" in answer.headers["content-disposition"]
        again = get(
            url,
            f"/image/{image_id}/50w/x.auto",
            **{"Accept": accept, "If-None-Match": answer.headers["etag"]},
        )
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["vary"] == "Accept"


def test_auto_keeps_alpha_and_animation(cluster: Cluster) -> None:
    clear = Image.new("RGBA", (40, 40), (255, 0, 0, 80))
    image_id = post(cluster.urls[0], encoded(clear, "PNG"))["hash"]
    path = f"/image/{image_id}/20w/x.auto"
    assert opened(get(cluster.urls[1], path, Accept="*/*")).format == "PNG"
    moving = post(cluster.urls[0], animation("GIF", 3), "image/gif")["hash"]
    path = f"/image/{moving}/20w/x.auto"
    webp = opened(get(cluster.urls[2], path, Accept="image/avif,image/webp"))
    assert (webp.format, getattr(webp, "n_frames", 1)) == ("WEBP", 3)
    gif = opened(get(cluster.urls[1], path, Accept="*/*"))
    assert (gif.format, getattr(gif, "n_frames", 1)) == ("GIF", 3)


def test_headers_are_the_same_everywhere(cluster: Cluster) -> None:
    image_id = post(cluster.urls[0], encoded(corners(77, 44), "JPEG"), "image/jpeg")["hash"]
    for path in (f"/image/{image_id}/40w/na%20me.jpg", f"/image/{image_id}/full/na%20me.jpg"):
        seen = []
        for url in cluster.urls:
            headers = dict(get(url, path).headers)
            for own in ("date", "x-request-id"):
                headers.pop(own, None)
            seen.append(headers)
            head = httpx.head(url + path)
            assert head.content == b""
            assert head.headers["content-length"] == headers["content-length"]
        assert seen[0] == seen[1] == seen[2]
        assert seen[0]["cache-control"] == "public, max-age=31536000, immutable"
        assert seen[0]["content-disposition"] == "inline; filename*=UTF-8''na%20me.jpg"
        assert seen[0]["x-content-type-options"] == "nosniff"
        assert seen[0]["access-control-allow-origin"] == "*"


def test_ranges_of_originals_and_none_of_renditions(cluster: Cluster) -> None:
    data = encoded(corners(300, 200), "PNG")
    image_id = post(cluster.urls[0], data)["hash"]
    for url in cluster.urls:
        part = get(url, f"/image/{image_id}/full/x.png", Range="bytes=10-19")
        assert (part.status_code, part.content) == (206, data[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
        beyond = get(url, f"/image/{image_id}/full/x.png", Range=f"bytes={len(data)}-")
        assert beyond.status_code == 416
        assert beyond.headers["content-range"] == f"bytes */{len(data)}"
        whole = get(url, f"/image/{image_id}/50w/x.png", Range="bytes=0-1")
        assert whole.status_code == 200


@pytest.mark.parametrize(
    ("asked", "canonical"),
    [("0100w/x.png", "100w/x.png"), ("200h300w/x.jpeg", "300w200h/x.jpg")],
)
def test_other_spellings_are_redirected(cluster: Cluster, asked: str, canonical: str) -> None:
    image_id = "0" * 40
    for url in cluster.urls:
        answer = get(url, f"/image/{image_id}/{asked}")
        assert answer.status_code == 301
        assert answer.headers["location"] == f"/image/{image_id}/{canonical}"


def test_what_nobody_has_is_a_404_for_programs_and_people(cluster: Cluster) -> None:
    for url in cluster.urls:
        path = f"/image/{'1' * 40}/100w/x.jpg"
        answer = get(url, path, Accept="application/json")
        assert answer.status_code == 404
        assert answer.json()["error"] == "not_found"
        assert answer.headers["cache-control"] == "no-store"
        page = get(url, path, Accept="text/html")
        assert page.status_code == 404
        assert "<html" in page.text
        assert get(url, f"/image/{'1' * 40}/x/x.jpg").json()["error"] == "bad_size"


def test_info_names_owners_and_holders(cluster: Cluster) -> None:
    data = encoded(corners(55, 33), "PNG")
    image_id = post(cluster.urls[0], data)["hash"]
    for url in cluster.urls:
        found = get(url, f"/info/{image_id}").json()
        assert (found["width"], found["height"], found["length"]) == (55, 33, len(data))
        assert (found["format"], found["extension"]) == ("png", "png")
        assert sorted(found["owners"]) == sorted(found["holders"])
        assert len(found["owners"]) == 3
        assert found["uploaded"].endswith("+00:00")


def test_hinted_sizes_are_there_before_anybody_asks(cluster: Cluster) -> None:
    image = (corners(301, 203), "JPEG")
    files = {"image": ("x.jpg", encoded(*image), "image/jpeg")}
    answer = httpx.post(cluster.urls[0], files=files, data={"size_hints": "100s, 90w"})
    image_id = answer.json()["hash"]

    def rendered() -> bool:
        found = {
            p.name
            for entry in cluster.nodes
            for p in Path(entry.data).glob(f"cache/*/{image_id[:3]}/{image_id}/*.jpg")
        }
        return {"100s.jpg", "90w.jpg"} <= found

    cluster.wait(rendered, "the hinted sizes to be rendered")
    wrong = httpx.post(cluster.urls[0], files=files, data={"size_hints": "100x"})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "bad_size")


def test_status_health_and_metrics(cluster: Cluster) -> None:
    for entry in cluster.nodes:
        status = get(entry.public_url, "/api/status").json()
        assert status["self"] == entry.name
        assert [n["state"] for n in status["nodes"]] == ["alive"] * 3
        assert status["ring"]["epoch"] == status["epoch"] == 1
        assert status["ring"]["pending"] is None
        for path in ("/healthz", "/readyz"):
            assert get(entry.public_url, path).status_code == 200
            assert get(entry.internal_url, path).status_code == 200
        assert get(entry.public_url, "/metrics").status_code == 404
        families = list(text_string_to_metric_families(get(entry.internal_url, "/metrics").text))
        own = [f for f in families if f.name.startswith("apomixis_")]
        assert len(own) >= 8
        for family in own:
            assert family.documentation.endswith(".")
            if family.type == "histogram":
                assert family.name.endswith(("_seconds", "_bytes"))


def test_photographs_of_many_megapixels(cluster: Cluster) -> None:
    photographs = sorted(BACKGROUNDS.rglob("*.jpg"), key=lambda p: p.stat().st_size)
    need(photographs, "Debian's mate-backgrounds is not installed: apt install mate-backgrounds")
    for i, path in enumerate((photographs[0], photographs[len(photographs) // 2], photographs[-1])):
        data = path.read_bytes()
        with Image.open(path) as original:
            width, height = original.size
        image_id = post(cluster.urls[i], data, "image/jpeg")["hash"]
        for url in cluster.urls:
            square = opened(get(url, f"/image/{image_id}/200s/x.jpg"))
            assert square.size == (200, 200)
            wide = opened(get(url, f"/image/{image_id}/800w/x.jpg"))
            assert wide.size == (800, (2 * height * 800 + width) // (2 * width))
            assert get(url, f"/image/{image_id}/full/x.jpg").content == data
