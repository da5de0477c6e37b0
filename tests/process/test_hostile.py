"""Hostile uploads to a real node: each gets its documented answer, and nothing of it stays."""

from __future__ import annotations

import hashlib
import json
import random
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from bombs import FORMATS, NO_PICTURES, black_png, declared, gif_frames
from pictures import corners, encoded, noise
from watched import KEY, MAX_BYTES, NODE_BYTES, UPLOADS, WORKER_BYTES, Site, watched
from wire import KIB, POST, line

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("hostile")]

# How many bytes a file may lack at its end with all its pixels: they hold marks and empty codes.
FORGIVEN = {"PNG": 4, "GIF": 4, "JPEG": 2}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with watched(tmp_path_factory.mktemp("hostile")) as site:
        yield site


@pytest.fixture(autouse=True)
def nothing_stays(site: Site) -> Iterator[None]:
    """After every test: no file is left in tmp/, no original that was not accepted."""
    yield
    tmp = site.data / "tmp"
    site.cluster.wait(lambda: not list(tmp.iterdir()), "tmp/ to be empty", seconds=10)
    assert {path.stem for path in site.data.glob("originals/*/*")} == site.accepted


def refused(answer: httpx.Response, *codes: str) -> None:
    body = answer.json()
    assert body.keys() >= {"error", "detail"}
    assert body["error"] in codes, body
    assert answer.headers["content-type"] == "application/json"
    expected = {"bad_form": 400, "too_large": 413, "unsupported_format": 415, "busy": 429}
    assert answer.status_code == expected.get(body["error"], 422)


def assert_shown(site: Site, answer: httpx.Response) -> None:
    """What is accepted can be rendered."""
    assert answer.status_code in (200, 201), answer.text
    for name in ("20s/x.jpg", "30w/x.webp"):
        assert site.client.get(f"/image/{answer.json()['hash']}/{name}").status_code == 200


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_declares_too_many_pixels(site: Site, form: str) -> None:
    bomb = declared(form)
    assert len(bomb) < 20 * KIB
    refused(site.post(bomb), "too_many_pixels", "broken_image")
    refused(site.form("bomb.jpg", bomb), "too_many_pixels", "broken_image")


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_lies_about_a_size_within_the_limits(site: Site, form: str) -> None:
    answer = site.post(declared(form, 9_999, 9_999))
    if form == "JPEG":  # whose decoder fills in what is missing before the end mark
        assert_shown(site, answer)
    else:
        refused(answer, "broken_image")


def test_too_many_frames(site: Site) -> None:
    refused(site.post(gif_frames(10_000)), "too_many_pixels")
    refused(site.post(gif_frames(300, 4000, 3000)), "too_many_pixels")


def test_a_whole_picture_of_too_many_pixels(site: Site) -> None:
    bomb = black_png(16_384)
    assert len(bomb) < 40 * KIB
    refused(site.post(bomb), "too_many_pixels")


def test_a_picture_that_needs_more_memory_than_a_worker_has(site: Site) -> None:
    answer = site.post(black_png(9_990))
    refused(answer, "broken_image")
    assert "memory" in answer.json()["detail"]
    assert site.post(encoded(corners(), "PNG")).status_code in (200, 201)


def test_deep_grey_takes_little_more_than_its_own_memory(site: Site) -> None:
    assert_shown(site, site.post(black_png(7_000, bits=16)))


def test_a_rendition_that_its_format_cannot_hold(site: Site) -> None:
    answer = site.post(encoded(Image.new("RGB", (17_000, 20)), "PNG"))
    assert_shown(site, answer)
    refused(site.client.get(f"/image/{answer.json()['hash']}/full/x.webp"), "too_many_pixels")


@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_file(site: Site, form: str) -> None:
    data = noise(64, 48, form)
    last = len(data) - FORGIVEN.get(form, 0) - 1
    for length in {last * step // 64 for step in range(64)} | {last}:
        refused(site.post(data[:length]), "broken_image", "unsupported_format")


def test_flipped_bits_are_answered_too(site: Site) -> None:
    chance = random.Random(7)
    for form in FORMATS:
        for _ in range(8):
            data = bytearray(noise(48, 32, form))
            for _ in range(10):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            answer = site.post(bytes(data))
            if answer.status_code != 201:
                refused(answer, "broken_image", "unsupported_format", "too_many_pixels")
            else:
                assert_shown(site, answer)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/svg+xml", "image/x-none"])
def test_the_bytes_say_what_it_is(site: Site, form: str, kind: str) -> None:
    extension = {"JPEG": "jpg"}.get(form, form.lower())
    for answer in (
        site.post(noise(20, 20, form), kind),
        site.form("x.exe", noise(20, 20, form), kind),
    ):
        assert answer.status_code == 201, answer.text
        assert answer.json()["extension"] == extension


@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES.keys())
def test_what_is_no_picture(site: Site, data: bytes) -> None:
    for answer in (site.post(data), site.form("photo.jpg", data), site.post(data, "image/gif")):
        refused(answer, "unsupported_format", "broken_image")


@pytest.mark.parametrize("kind", ["text/html", "application/json", "image", "multipart/mixed"])
def test_what_does_not_claim_to_be_one(site: Site, kind: str) -> None:
    refused(site.post(encoded(corners(), "PNG"), kind), "unsupported_format")


def test_no_bytes(site: Site) -> None:
    refused(site.post(b""), "broken_image")
    refused(site.post(iter([b""])), "broken_image")
    refused(site.form("empty.jpg", b""), "broken_image")


def test_one_byte_too_many(site: Site) -> None:
    start = noise(64, 64)
    for extra, taken in ((0, True), (1, False), (MAX_BYTES, False)):
        data = start + bytes(MAX_BYTES - len(start) + extra)
        pieces = [data[i : i + 10_000] for i in range(0, len(data), 10_000)]
        for answer in (site.post(data), site.post(iter(pieces)), site.form("x.jpg", data)):
            if taken:
                assert answer.status_code in (200, 201), answer.text
            else:
                refused(answer, "too_large")


NAMES = [
    *("../../etc/passwd", "..\\..\\boot.ini", "/etc/shadow.jpg", "..", ".", "con.jpg"),
    *("$(id).jpg", "<script>.jpg", "%2e%2e%2f.jpg", "a\r\nb.jpg", "a\0b.jpg", "x" * 3000),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_leads_nowhere(site: Site, name: str) -> None:
    answer = site.form(name, encoded(corners(), "PNG"))
    assert answer.status_code in (200, 201), answer.text
    path = urlsplit(answer.json()["full_url"]).path
    prefix = f"/image/{answer.json()['hash']}/full/"
    assert path.startswith(prefix)
    assert "/" not in path.removeprefix(prefix)
    assert site.client.get(path).status_code == 200


PATHS = [
    "/../../../../etc/passwd",
    "/image/../../../../etc/passwd",
    "/image/%2e%2e/%2e%2e/etc/passwd",
    "/image/..%2f..%2f..%2fetc%2fpasswd",
    "/image/..%5c..%5cboot.ini",
    "/image//etc/passwd/x.jpg",
    "/static/x/..%2f..%2fsettings.py",
    "/static/../settings.py",
    "/static/x/%2e%2e/settings.py",
    "/info/..%2f..%2fsecret",
    "/info/%00",
    f"/image/{'0' * 40}/full/..%2f..%2fx.jpg",
    f"/image/{'0' * 40}/full/%00.jpg",
    f"/image/{'0' * 40}/full/a%0d%0aSet-Cookie:%20x=1.jpg",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_leads_nowhere(site: Site, path: str) -> None:
    with line(site.cluster) as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = client.answer()
    assert answer.status in (400, 404)
    assert answer.error in ("bad_path", "bad_id", "not_found")
    assert b"root:" not in answer.body
    assert "set-cookie" not in answer.headers


HALF_FORM = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
HALF_PART = b'--B\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'
HALF_RAW = POST + f"Authorization: Bearer {KEY}\r\nContent-Length: 100000\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_a_form_without_its_end(site: Site) -> None:
    with line(site.cluster) as client:
        body = HALF_PART + encoded(corners(), "PNG")
        client.send(HALF_FORM + chunk(body) + chunk(b"\r\n--B") + b"0\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.error) == (400, "bad_form")


def takes_uploads(site: Site) -> bool:
    return site.post(noise(20, 20)).status_code == 201


def test_a_client_that_leaves_in_the_middle(site: Site) -> None:
    for _ in range(20):
        with line(site.cluster) as client:
            client.send(HALF_RAW + noise(64, 64))
        with line(site.cluster) as client:
            client.send(HALF_FORM + chunk(HALF_PART + noise(64, 64)))
    site.cluster.wait(partial(takes_uploads, site), "the node to have noticed", seconds=20)


def test_more_uploads_at_once_than_are_taken(site: Site) -> None:
    held = [line(site.cluster) for _ in range(UPLOADS)]
    clients = [entered.__enter__() for entered in held]
    try:
        for client in clients:
            client.send(HALF_RAW + b"x")
        tmp = site.data / "tmp"
        site.cluster.wait(lambda: len(list(tmp.iterdir())) == UPLOADS, "uploads to begin")
        answer = site.post(noise(20, 20))
        refused(answer, "busy")
        assert int(answer.headers["Retry-After"]) >= 1
    finally:
        for entered in held:
            entered.__exit__(None, None, None)
    site.cluster.wait(partial(takes_uploads, site), "the held uploads to end", seconds=20)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer"}, 401), ({"Authorization": f"Bearer {KEY}x"}, 403)],
)
def test_without_its_key_nothing_is_taken(site: Site, headers: dict[str, str], status: int) -> None:
    picture = noise(20, 20)
    for sent in ({"content": picture}, {"files": {"image": picture}}):
        kind = {"Content-Type": "image/jpeg"} if "content" in sent else {}
        answer = site.client.post("/", **sent, headers=headers | kind)
        site.ids.add(answer.headers["X-Request-ID"])
        assert answer.status_code == status
        assert answer.json()["error"] in ("key_required", "key_refused")


def test_it_was_well_and_small_all_the_time(site: Site) -> None:
    site.cluster.wait(lambda: len(site.health) > 10, "it to be looked at")
    assert set(site.health) == {200}
    assert 0 < site.most["node"] < NODE_BYTES
    assert 0 < site.most["worker"] < WORKER_BYTES


def test_the_log_is_json_names_every_request_and_no_key(site: Site) -> None:
    text = site.cluster.folder.log("node-0").read_text()
    lines = [json.loads(entry) for entry in text.splitlines()]
    requests = [entry for entry in lines if entry["event"] == "request"]
    assert all(entry["node"] == "node-0" for entry in lines)
    assert site.ids <= {entry["request_id"] for entry in requests}
    assert not [entry for entry in lines if entry["level"] == "error"]
    secret = site.cluster.folder.secret_file.read_text().strip()
    assert not [word for word in (KEY, secret, "Traceback") if word in text]


def test_ids_are_of_the_bytes(site: Site) -> None:
    for path in site.data.glob("originals/*/*"):
        assert hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest() == path.stem
