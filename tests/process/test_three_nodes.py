"""Three real nodes: a picture posted to any of them comes back at any size from every one."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageOps

from cluster import Cluster
from photographs import NAMES, photographs
from pictures import BLUE, CORNERS, GREEN, RED, YELLOW, animation, corners, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("three")]

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
EXTENSION = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp", "AVIF": "avif"}
TAKEN = {**EXTENSION, "TIFF": "tiff", "BMP": "bmp"}
OWN_TO_A_REQUEST = {"date", "x-request-id"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60, trust_env=False) as one:
        yield one


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    data = tmp_path_factory.mktemp("three") / "images"
    with Cluster(data, zones=("a", "b", "c")) as running:
        yield running


def post(client: httpx.Client, url: str, data: bytes, kind: str = "image/*") -> dict[str, Any]:
    answer = client.post(url, content=data, headers={"Content-Type": kind})
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    assert found["hash"] == hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return found


def from_each(cluster: Cluster, client: httpx.Client, path: str, **headers: str) -> httpx.Response:
    """The answer of the last node, once all three are equal in all that a client can see."""
    answers = [client.get(url + path, headers=headers) for url in cluster.urls]
    seen = [
        ({k: v for k, v in a.headers.items() if k not in OWN_TO_A_REQUEST}, a.content)
        for a in answers
    ]
    assert [a.status_code for a in answers] == [200] * 3, answers[0].text
    assert seen == [seen[0]] * 3
    return answers[-1]


def opened(answer: httpx.Response) -> Image.Image:
    picture = Image.open(io.BytesIO(answer.content))
    picture.load()
    return picture


def corners_are(picture: Image.Image, colours: tuple[tuple[int, int, int], ...]) -> bool:
    """Whether these are the colours an eighth of the way in from each corner."""
    pixels = np.asarray(picture.convert("RGB"), np.int16)
    x, y = picture.width // 8, picture.height // 8
    found = (pixels[y, x], pixels[y, -1 - x], pixels[-1 - y, x], pixels[-1 - y, -1 - x])
    return bool(np.abs(np.array(found) - np.array(colours)).max() < 48)


@pytest.mark.parametrize(("width", "height", "orientation", "results"), SIZES)
def test_every_size_from_every_node(
    cluster: Cluster,
    client: httpx.Client,
    width: int,
    height: int,
    orientation: int,
    results: tuple[str, ...],
) -> None:
    data = encoded(corners(width, height), "PNG", orientation)
    image_id = post(client, cluster.urls[width % 3], data)["hash"]
    for size, wanted in zip(ASKED, results, strict=True):
        for extension in ("png", "jpg"):
            path = f"/image/{image_id}/{size}/x.{extension}"
            shown = opened(from_each(cluster, client, path))
            assert f"{shown.width}x{shown.height}" == wanted, size
            assert min(shown.size) < 10 or corners_are(shown, CORNERS), size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_corners_are_where_a_person_sees_them(
    cluster: Cluster, client: httpx.Client, orientation: int
) -> None:
    data = encoded(corners(240, 120), "JPEG", orientation, quality=95)
    image_id = post(client, cluster.urls[orientation % 3], data)["hash"]
    for size, wanted in (("100w", (100, 50)), ("60s", (60, 60)), ("full", (240, 120))):
        shown = opened(from_each(cluster, client, f"/image/{image_id}/{size}/x.png"))
        assert shown.size == wanted
        assert corners_are(shown, CORNERS)


def test_a_focal_point_moves_the_crop(cluster: Cluster, client: httpx.Client) -> None:
    image_id = post(client, cluster.urls[1], encoded(corners(240, 120), "PNG"))["hash"]
    for size, colours in {
        "60s0x50": (RED, RED, BLUE, BLUE),
        "60s100x0": (GREEN, GREEN, YELLOW, YELLOW),
        "60s": CORNERS,
        "100w20hc50x0": (RED, GREEN, RED, GREEN),
        "100w20hc50x100": (BLUE, YELLOW, BLUE, YELLOW),
    }.items():
        path = f"/image/{image_id}/{size}/x.png"
        assert corners_are(opened(from_each(cluster, client, path)), colours), size


@pytest.mark.parametrize("form", TAKEN)
def test_full_is_the_original_byte_for_byte(
    cluster: Cluster, client: httpx.Client, form: str
) -> None:
    data = encoded(corners(64, 32), form)
    for url in cluster.urls:
        answer = post(client, url, data, "image/x-anything")
        assert answer["extension"] == TAKEN[form]
        path = f"/image/{answer['hash']}/full/x.{TAKEN[form]}"
        assert from_each(cluster, client, path).content == data
    assert sorted(answer["nodes"]) == ["node-0", "node-1", "node-2"]
    assert answer["satisfied"] is True
    assert (answer["width"], answer["height"], answer["length"]) == (64, 32, len(data))
    for extension in set(EXTENSION.values()) - {TAKEN[form]}:
        path = f"/image/{answer['hash']}/full/x.{extension}"
        shown = opened(from_each(cluster, client, path))
        assert (shown.size, EXTENSION[shown.format or ""]) == ((64, 32), extension)
        assert corners_are(shown, CORNERS)


def test_201_then_200_raw_and_multipart(cluster: Cluster, client: httpx.Client) -> None:
    data = encoded(corners(31, 17), "PNG")
    first = client.post(cluster.urls[0], content=data, headers={"Content-Type": "image/png"})
    files = {"image": ("été à la mer.png", data, "application/octet-stream")}
    second = client.post(cluster.urls[1], files=files)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["hash"] == second.json()["hash"]
    assert second.json()["full_url"].endswith("/full/%C3%A9t%C3%A9%20%C3%A0%20la%20mer.png")
    assert client.get(second.json()["full_url"]).content == data
    assert first.json()["color"].startswith("#")
    assert first.json()["placeholder"].startswith("data:image/webp;base64,")


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
def test_auto_by_accept(cluster: Cluster, client: httpx.Client, accept: str, kind: str) -> None:
    image_id = post(client, cluster.urls[0], encoded(corners(91, 61), "JPEG"))["hash"]
    answer = from_each(cluster, client, f"/image/{image_id}/50w/x.auto", Accept=accept)
    assert opened(answer).format == kind
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["content-disposition"].endswith(f"x.{EXTENSION[kind]}")
    named = from_each(cluster, client, f"/image/{image_id}/50w/x.{EXTENSION[kind]}")
    assert named.content == answer.content


def test_auto_keeps_alpha_and_animation(cluster: Cluster, client: httpx.Client) -> None:
    clear = Image.new("RGBA", (40, 40), (255, 0, 0, 80))
    image_id = post(client, cluster.urls[0], encoded(clear, "PNG"))["hash"]
    shown = opened(from_each(cluster, client, f"/image/{image_id}/20w/x.auto", Accept="*/*"))
    assert shown.format == "PNG"
    moving = post(client, cluster.urls[0], animation("GIF", 3))["hash"]
    for accept, kind in (("image/avif,image/webp", "WEBP"), ("*/*", "GIF")):
        path = f"/image/{moving}/20w/x.auto"
        shown = opened(from_each(cluster, client, path, Accept=accept))
        assert (shown.format, getattr(shown, "n_frames", 1)) == (kind, 3)


def test_hinted_sizes_are_rendered_on_the_primary_before_anybody_asks(
    cluster: Cluster, client: httpx.Client
) -> None:
    ring = cluster.folder.ring()
    assert ring is not None
    for number, url in enumerate(cluster.urls):
        data = encoded(corners(301 + number, 203), "JPEG")
        if number:
            files = {"image": ("x.jpg", data, "image/jpeg")}
            answer = client.post(url, files=files, data={"size_hints": "100s, 90w"})
        else:
            hinted = f"{url}/?size_hints=100s,90w"
            answer = client.post(hinted, content=data, headers={"Content-Type": "image/jpeg"})
        assert answer.status_code == 201, answer.text
        image_id = answer.json()["hash"]
        primary = Path(cluster.node(ring.owners(image_id)[0].name).data)

        def rendered(image_id: str = image_id, primary: Path = primary) -> bool:
            found = {p.name for p in primary.glob(f"cache/*/{image_id[:3]}/{image_id}/*.jpg")}
            return {"100s.jpg", "90w.jpg"} <= found

        cluster.wait(rendered, "the hinted sizes to be rendered")
    wrong = client.post(cluster.urls[0], files=files, data={"size_hints": "100x"})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "bad_size")


@pytest.mark.parametrize("number", range(len(NAMES)), ids=lambda n: Path(NAMES[n]).stem)
def test_a_photograph(cluster: Cluster, client: httpx.Client, number: int) -> None:
    """Close to what Pillow makes of it in one go, on white where it is transparent."""
    file = photographs()[number]
    data = file.read_bytes()
    original = ImageOps.exif_transpose(Image.open(file))
    image_id = post(client, cluster.urls[number % 3], data)["hash"]
    white = Image.new("RGBA", original.size, "white")
    white.alpha_composite(original.convert("RGBA"))
    plain = white.convert("RGB")
    high = (2 * original.height * 800 + original.width) // (2 * original.width)
    for size, wanted in (
        ("200s", ImageOps.fit(plain, (200, 200), Image.Resampling.LANCZOS)),
        ("800w", plain.resize((800, high), Image.Resampling.LANCZOS)),
    ):
        for extension, most in (("png", 3), ("jpg", 8)):  # what the encoder loses, and what not
            path = f"/image/{image_id}/{size}/x.{extension}"
            shown = opened(from_each(cluster, client, path)).convert("RGBA")
            assert shown.size == wanted.size
            ground = Image.new("RGBA", shown.size, "white")
            ground.alpha_composite(shown)
            found = np.asarray(ground.convert("RGB"), np.int16)
            off = float(np.abs(found - np.asarray(wanted, np.int16)).mean())
            assert off < most, f"{file.name} at {size}.{extension} is off by {off:.1f} a channel"
    path = f"/image/{image_id}/full/{file.stem}.{file.suffix[1:]}"
    assert from_each(cluster, client, path).content == data
