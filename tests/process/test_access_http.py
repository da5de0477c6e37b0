"""Who may upload, and which URLs are served: keys, allowed sizes, qualities, signatures, stand-ins.

Two clusters of two nodes: one with keys and lists, one with signed URLs.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image

from apomixis_node.access import sign
from cluster import Cluster
from pictures import RED, corners, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("access")]

STAND_IN = encoded(Image.new("RGB", (300, 200), RED), "PNG")
STAND_IN_ID = hashlib.sha1(STAND_IN, usedforsecurity=False).hexdigest()
NOBODY = "1" * 40
SIZES = ("200s", "100w", "100wq60", "full")
PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "upload-keys"
    file.write_text("first key\nsecond\n")
    return file


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Cluster]:
    """Two nodes with upload keys, a list of sizes, one quality and a stand-in picture."""
    environment = {
        "APOMIXIS_UPLOAD_KEYS": str(keys),
        "APOMIXIS_SIZES": ",".join(SIZES),
        "APOMIXIS_QUALITIES": "60",
        "APOMIXIS_FALLBACK_IMAGE": STAND_IN_ID,
    }
    folder = tmp_path_factory.mktemp("site") / "images"
    with Cluster(folder, nodes=2, environment=environment) as running:
        assert with_key(running.urls[0], STAND_IN, "second").status_code == 201
        yield running


@pytest.fixture(scope="module")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "signing-keys"
    file.write_text("new key\nold key\n")
    return file


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Cluster]:
    """Two nodes that serve signed URLs alone."""
    environment = {"APOMIXIS_SIGNING_KEYS": str(signing_keys)}
    folder = tmp_path_factory.mktemp("signed") / "images"
    with Cluster(folder, nodes=2, environment=environment) as running:
        yield running


def with_key(url: str, data: bytes, key: str) -> httpx.Response:
    headers = PNG | {"Authorization": f"Bearer {key}"}
    return httpx.post(url, content=data, headers=headers, timeout=60)


def form(url: str, data: bytes, **fields: str) -> httpx.Response:
    return httpx.post(url, files={"image": ("x.png", data)}, data=fields, timeout=60)


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers={"Accept": "*/*"} | headers, timeout=60)


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The JSON of an error; it is never cached and says what to do."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["error"] == code
    assert "." in body["detail"], "a sentence that says what to do"
    assert answer.headers["cache-control"] == "no-store"
    return body


def numbered(number: int) -> bytes:
    """Pictures that no other test uploads."""
    return encoded(corners(220 + number, 120), "PNG")


@pytest.mark.parametrize("key", ["first key", "second"])
def test_a_key_opens_the_door_in_each_of_its_places(site: Cluster, key: str) -> None:
    data = numbered(len(key))
    for url in site.urls:
        assert with_key(url, data, key).status_code in (200, 201)
        assert form(url, data, key=key).status_code == 200
        assert form(url, data, upload_key=key).status_code == 200
        wrapped = httpx.post(
            url,
            files={"image": ("x.png", data)},
            headers={"Authorization": f"bearer {key}"},
            timeout=60,
        )
        assert wrapped.status_code == 200


def test_without_a_key_401_and_with_a_wrong_one_403(site: Cluster) -> None:
    data = numbered(1)
    for url in site.urls:
        refused(httpx.post(url, content=data, headers=PNG), 401, "key_required")
        refused(form(url, data), 401, "key_required")
        refused(form(url, data, key=""), 401, "key_required")
        for wrong in ("third", "first", "first key ", "second\x00", "ключ"):
            refused(form(url, data, key=wrong), 403, "key_refused")
        refused(with_key(url, data, "third"), 403, "key_refused")
        refused(form(f"{url}/?key=second", data), 401, "key_required")  # logs keep query strings
        image_id = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        assert get(f"{url}/info/{image_id}").status_code == 404, "nothing of it was kept"


def test_a_browser_is_told_on_a_page(site: Cluster) -> None:
    answer = httpx.post(
        site.urls[0], files={"image": ("x.png", numbered(2))}, headers={"Accept": "text/html"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (
        401,
        "text/html; charset=utf-8",
    )


def test_reading_needs_no_key(site: Cluster) -> None:
    for url in site.urls:
        assert get(f"{url}/image/{STAND_IN_ID}/100w/x.jpg").status_code == 200
        assert get(f"{url}/info/{STAND_IN_ID}").status_code == 200
        assert get(url).status_code == 200


def test_a_changed_key_file_is_read_again(site: Cluster, keys: Path) -> None:
    before, data = keys.read_text(), numbered(3)
    try:
        replacement = keys.with_name("replacement")
        replacement.write_text("second\nthird\n")
        replacement.replace(keys)
        for url in site.urls:
            refused(with_key(url, data, "first key"), 403, "key_refused")
            assert with_key(url, data, "third").status_code in (200, 201)
        keys.write_text("")  # every key is revoked, and that does not open the door
        for url in site.urls:
            refused(with_key(url, data, "third"), 403, "key_refused")
            refused(httpx.post(url, content=data, headers=PNG), 401, "key_required")
        keys.unlink()  # no news: nobody gets in, nobody is let out
        for url in site.urls:
            refused(with_key(url, data, "third"), 403, "key_refused")
    finally:
        keys.write_text(before)
    assert with_key(site.urls[0], data, "second").status_code == 200


def test_only_the_listed_sizes_are_served(site: Cluster) -> None:
    for url in site.urls:
        for size in SIZES:
            assert get(f"{url}/image/{STAND_IN_ID}/{size}/x.png").status_code == 200, size
        for size in ("201s", "100h", "100w100h", "200s0x0", "4096w"):
            body = refused(get(f"{url}/image/{STAND_IN_ID}/{size}/x.png"), 403, "size_not_allowed")
            assert body["sizes"] == sorted(SIZES)
        # Another spelling of a listed size is still sent to the one that is served.
        answer = get(f"{url}/image/{STAND_IN_ID}/0200s/x.png")
        assert answer.status_code == 301
        assert answer.headers["location"].endswith("/200s/x.png")
        refused(get(f"{url}/image/{STAND_IN_ID}/huge/x.png"), 400, "bad_size")
        hinted = form(url, STAND_IN, key="second", size_hints="300w")
        refused(hinted, 403, "size_not_allowed")
        assert form(url, STAND_IN, key="second", size_hints="100w").status_code == 200


def test_a_quality_is_served_only_from_the_list(site: Cluster) -> None:
    for url in site.urls:
        plain = get(f"{url}/image/{STAND_IN_ID}/100w/x.jpg").content
        coarse = get(f"{url}/image/{STAND_IN_ID}/100wq60/x.jpg").content
        assert coarse != plain
        refused(get(f"{url}/image/{STAND_IN_ID}/100wq61/x.jpg"), 400, "bad_size")


@pytest.mark.parametrize("accept", ["image/avif,image/webp,image/*", "*/*", "image/png", ""])
@pytest.mark.parametrize("ext", ["jpg", "auto"])
def test_a_stand_in_is_the_body_of_a_404(site: Cluster, accept: str, ext: str) -> None:
    for url in site.urls:
        answer = get(f"{url}/image/{NOBODY}/100w/x.{ext}", Accept=accept)
        assert answer.status_code == 404
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["vary"] == "Accept"
        assert "etag" not in answer.headers
        picture = Image.open(io.BytesIO(answer.content))
        assert picture.size == (100, 67)
        assert answer.headers["content-type"] == Image.MIME[picture.format or ""]
        same = get(f"{url}/image/{STAND_IN_ID}/100w/x.{ext}", Accept=accept)
        assert answer.content == same.content


def test_programs_and_people_get_the_404_itself(site: Cluster) -> None:
    for url in site.urls:
        missing = f"{url}/image/{NOBODY}/100w/x.jpg"
        refused(get(missing, Accept="application/json"), 404, "not_found")
        page = get(missing, Accept="text/html,image/avif,*/*")
        assert page.status_code == 404
        assert page.headers["content-type"].startswith("text/html")
        assert get(f"{url}/image/{NOBODY}/300w/x.jpg").status_code == 403, "a wrong size stays one"
        assert get(f"{url}/info/{NOBODY}").json()["error"] == "not_found"


def test_a_signature_fits_one_id_size_and_extension(signed: Cluster) -> None:
    data = numbered(4)
    answer = httpx.post(signed.urls[0], content=data, headers=PNG, timeout=60).json()
    image_id = answer["hash"]
    assert get(answer["full_url"]).content == data, "the answer's own URL is signed"
    for key in ("new key", "old key"):
        right = sign(image_id, "100w", "jpg", key)
        assert len(right) == 22
        others = {
            "another size": sign(image_id, "101w", "jpg", key),
            "another extension": sign(image_id, "100w", "png", key),
            "another id": sign(NOBODY, "100w", "jpg", key),
            "another key": sign(image_id, "100w", "jpg", "no key"),
            "another case": right.swapcase(),
            # 22 characters carry 132 bits: the same bytes in other letters are another text.
            "the same bits": right[:-1] + chr(ord(right[-1]) + 1),
        }
        for url in signed.urls:
            path = f"{url}/image/{image_id}/100w"
            for name in ("x", "another%20name"):
                assert get(f"{path}/{right}/{name}.jpg").status_code == 200
            for what, wrong in others.items():
                answered = get(f"{path}/{wrong}/x.jpg")
                assert answered.json()["error"] == "bad_signature", what
                assert answered.status_code == 403
            refused(get(f"{path}/x.jpg"), 403, "bad_signature")
            assert get(f"{path}/{right[:-1]}/x.jpg").status_code == 400
            unsigned = f"{url}/image/{image_id}/full/x.png"
            refused(get(unsigned), 403, "bad_signature")


def test_another_spelling_is_redirected_only_with_its_signature(signed: Cluster) -> None:
    image_id = httpx.post(signed.urls[0], content=numbered(5), headers=PNG).json()["hash"]
    right = sign(image_id, "100w", "jpg", "new key")
    for url in signed.urls:
        answer = get(f"{url}/image/{image_id}/0100w/{right}/x.jpeg")
        assert answer.status_code == 301
        assert answer.headers["location"] == f"/image/{image_id}/100w/{right}/x.jpg"
        refused(get(f"{url}/image/{image_id}/0100w/x.jpeg"), 403, "bad_signature")


def test_a_signature_ends_with_its_key(signed: Cluster, signing_keys: Path) -> None:
    image_id = httpx.post(signed.urls[0], content=numbered(6), headers=PNG).json()["hash"]
    path = f"/image/{image_id}/100w/{sign(image_id, '100w', 'jpg', 'old key')}/x.jpg"
    assert [get(url + path).status_code for url in signed.urls] == [200, 200]
    before = signing_keys.read_text()
    try:
        signing_keys.write_text("newest key\nnew key\n")
        assert [get(url + path).status_code for url in signed.urls] == [403, 403]
    finally:
        signing_keys.write_text(before)
