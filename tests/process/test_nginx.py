"""nginx in front of a node: nobody can tell who answered, but for the speed."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest

from apomixis_node.cli.nginx import program
from pair import CONDITIONS, PICTURES, Pair, pair, told
from pictures import noise

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("nginx")]
ACCEPTS = [
    None,
    "*/*",
    "image/avif,image/webp,*/*;q=0.8",
    "image/webp",
    "IMAGE/WEBP;q=0.5",
    "image/avif;q=0, image/webp",
    "image/avif;q=0.0,image/webp;q=0",
    "image/*",
    "image/png, image/avif ; v=1",
    "ximage/avif",
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from pair(tmp_path_factory.mktemp("plain") / "images")


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif", "gif"])
@pytest.mark.parametrize("size", ["100w", "50s20x80", "full"])
def test_renditions_are_hits(plain: Pair, size: str, extension: str) -> None:
    answer = plain.hit(f"/image/{plain.ids['photo']}/{size}/caf%C3%A9.x.{extension}?v=1")
    assert answer.status_code == 200
    assert ("accept-ranges" in answer.headers) == (size == "full" and extension == "jpg")


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("picture", PICTURES)
def test_auto_is_a_hit_for_every_accept(plain: Pair, picture: str, accept: str | None) -> None:
    headers = {"Accept": accept or ""}
    answer = plain.hit(f"/image/{plain.ids[picture]}/60w/x.auto", headers)
    assert (answer.status_code, answer.headers["vary"]) == (200, "Accept")


@pytest.mark.parametrize("size", ["100w/x.jpg", "100w/x.auto", "full/x.jpg"])
@pytest.mark.parametrize("conditions", CONDITIONS, ids=str)
def test_conditions_and_ranges(plain: Pair, size: str, conditions: dict[str, str]) -> None:
    path = f"/image/{plain.ids['photo']}/{size}"
    whole = plain.same(path)
    words = {
        "{etag}": whole.headers["etag"],
        "{date}": whole.headers["last-modified"],
        "{old}": formatdate(0, usegmt=True),
    }
    headers = {
        name: re.sub(r"\{\w+\}", lambda m: words[m[0]], value) for name, value in conditions.items()
    }
    for method in ("GET", "HEAD"):
        plain.same(path, headers, method)


OTHERS = [
    "/image/{id}/100w/x.svg",
    "/image/{id}/100w/x.jpeg",
    "/image/{id}/100w/x.JPG",
    "/image/{id}/100w/x.tiff",
    "/image/{id}/full/x.tiff",
    "/image/{id}/0100w/x.jpg",
    "/image/{id}/200h100w/x.jpg",
    "/image/{id}/5000w/x.jpg",
    "/image/{id}/100wq50/x.jpg",
    "/image/{id}/level-640/x.jpg",
    "/image/{id}/100w/",
    "/image/{id}/100w",
    "/image/{id}/100w/x",
    "/image/{id}/100w/x.jpg/",
    "/image/{id}%2F100w/x.jpg",
    "/image/{id}/100w%2fx.jpg",
    "/image/{id}/100w/a%0d%0aSet-Cookie:x=1.jpg",
    "/image/{id}/100w/a%2e%2e.jpg",
    "/image/{id}/100w/..%2fx.jpg",
    "/image/{id}/100w/a'b.jpg",
    "/image/{ID}/100w/x.jpg",
    "/image/{none}/100w/x.jpg",
    "/image/{none}/full/x.jpg",
    "/image/{none}/100w/x.auto",
    "//image/{id}/100w/x.jpg",
    "/x/../image/{id}/100w/x.jpg",
    "/image/{id}/./100w/x.jpg",
    "/%69mage/{id}/100w/x.jpg",
    "/image/{id}/AAAAAAAAAAAAAAAAAAAAAA/100w/x.jpg",
    "/image/{id}/100w/AAAAAAAAAAAAAAAAAAAAAA/x.jpg",
    "/.originals/{part}/{id}.jpg",
    "/.errors/413",
    "/front/owned/{part}/{id}.jpg",
    "/none",
    "/image/none",
    "/info/{none}",
    "/openapi.json",
]


@pytest.mark.parametrize("accept", ["", "text/html"])
@pytest.mark.parametrize("path", OTHERS)
def test_everything_else_is_the_nodes_answer(plain: Pair, path: str, accept: str) -> None:
    known = plain.ids["photo"]
    plain.same(f"/image/{known}/100w/x.jpg")
    words = {"{id}": known, "{ID}": known.upper(), "{none}": "0" * 40, "{part}": known[:3]}
    for word, value in words.items():
        path = path.replace(word, value)
    # httpx would tidy the path up: what is sent is what is written here.
    raw = httpx.URL(str(plain.nginx.base_url), raw_path=path.encode())
    answers = []
    for client in (plain.nginx, plain.nginx, plain.node):
        request = httpx.Request("GET", raw, headers={"Accept": accept})
        answers.append(client.send(request))
    one, other = answers[1:]
    assert (one.status_code, told(one), one.content) == (
        other.status_code,
        told(other),
        other.content,
    )


def test_what_nginx_itself_refuses_is_said_as_the_node_would(plain: Pair) -> None:
    for path in (b"/image/x/100w/a%00.jpg", b"/" + b"x" * 9000, b"/%zz"):
        raw = httpx.URL(str(plain.nginx.base_url), raw_path=path)
        answer = plain.nginx.send(httpx.Request("GET", raw))
        assert answer.status_code in (400, 431)
        assert answer.json().keys() == {"error", "detail"}
        assert answer.headers["cache-control"] == "no-store"
        assert "x-request-id" in answer.headers
    body = b"x" * (51 * 1024 * 1024)
    answer = plain.nginx.post("/", content=body, headers={"Content-Type": "image/jpeg"})
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_head_is_a_get_without_a_body(plain: Pair) -> None:
    for size in ("100w/x.jpg", "100w/x.auto", "full/x.jpg"):
        answer = plain.same(f"/image/{plain.ids['photo']}/{size}", method="HEAD")
        assert int(answer.headers["content-length"]) > 0
        assert answer.content == b""


def test_a_deleted_picture_is_gone_at_once(plain: Pair) -> None:
    picture = noise(90, 60)
    image_id = plain.nginx.post("/", content=picture, headers={"Content-Type": "image/jpeg"}).json()
    paths = [f"/image/{image_id['hash']}/{p}" for p in ("50w/x.jpg", "50w/x.auto", "full/x.jpg")]
    for path in paths:
        plain.hit(path)
    assert plain.nginx.delete(f"/image/{image_id['hash']}").status_code == 200
    for path in paths:
        assert plain.same(path).status_code == 410


def test_nginx_takes_its_own_configuration(plain: Pair) -> None:
    conf = Path(plain.cluster.nodes[0].data) / "nginx" / "nginx.conf"
    done = subprocess.run(
        [program() or "", "-t", "-e", "stderr", "-c", str(conf)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_an_upload_leaves_no_second_copy(plain: Pair) -> None:
    folder = Path(plain.cluster.nodes[0].data) / "nginx"
    seen: list[int] = []

    def slowly() -> Iterator[bytes]:
        picture = noise(700, 500)
        for start in range(0, len(picture), 65536):
            yield picture[start : start + 65536]
            seen.append(sum(p.stat().st_size for p in (folder / "body").rglob("*") if p.is_file()))
            time.sleep(0.02)

    answer = plain.nginx.post("/", content=slowly(), headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 201
    assert seen
    assert set(seen) == {0}
