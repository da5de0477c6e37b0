"""The pages in a real browser: a photograph goes in, and is seen at any size from every node."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from browser.chromium import chromium, complaints, one, until
from cluster import Cluster
from pictures import corners, encoded, noise

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    data = tmp_path_factory.mktemp("pages") / "images"
    with Cluster(data, restart=False) as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


def photograph(folder: Path, name: str = "Été à la mer.jpg") -> Path:
    found = sorted(Path("/usr/share/backgrounds/mate").rglob("*.jpg"))
    path = folder / name
    path.write_bytes(found[0].read_bytes() if found else noise(2000, 1500))
    return path


def shown(page: webdriver.Chrome, url: str) -> tuple[int, int]:
    """The pixels of a picture that the page loads; (0, 0) if it can't."""
    script = """
        const [url, done] = arguments;
        const image = new Image();
        image.onload = () => done([image.naturalWidth, image.naturalHeight]);
        image.onerror = () => done([0, 0]);
        image.src = url;
    """
    width, height = page.execute_async_script(script, url)
    return width, height


def tiles(page: webdriver.Chrome) -> int:
    return int(page.execute_script("return document.querySelectorAll('#tiles .tile').length"))


def uploaded(page: webdriver.Chrome, url: str, path: Path) -> str:
    """Upload through the page's own input; the id."""
    image_id = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    page.get(url)
    one(page, "#image").send_keys(str(path))
    until(page, f"document.querySelector('[data-hash=\"{image_id}\"] .shown') !== null")
    return image_id


def test_drop_files_of_every_kind(page: webdriver.Chrome, cluster: Cluster) -> None:
    page.get(cluster.urls[0])
    before = tiles(page)
    data = base64.b64encode(noise(300, 200)).decode()
    script = """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const files = new DataTransfer();
        files.items.add(new File([bytes], "dropped.jpg", {type: "image/jpeg"}));
        files.items.add(new File(["no picture"], "notes.jpg", {type: "image/jpeg"}));
        const event = {dataTransfer: files, bubbles: true};
        document.body.dispatchEvent(new DragEvent("dragenter", event));
        document.body.dispatchEvent(new DragEvent("drop", event));
    """
    page.execute_script(script, data)
    until(page, f"document.querySelectorAll('#tiles .tile').length === {before + 1}")
    until(page, "document.querySelector('#uploads')?.textContent.includes('notes.jpg')")
    until(page, "/picture|format|JPEG/i.test(document.querySelector('#uploads').textContent)")


def test_paste(page: webdriver.Chrome, cluster: Cluster) -> None:
    page.get(cluster.urls[0])
    before = tiles(page)
    script = """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const files = new DataTransfer();
        files.items.add(new File([bytes], "image.png", {type: "image/png"}));
        dispatchEvent(new ClipboardEvent("paste", {clipboardData: files, bubbles: true}));
    """
    page.execute_script(script, base64.b64encode(noise(120, 90, "PNG")).decode())
    until(page, f"document.querySelectorAll('#tiles .tile').length === {before + 1}")


def test_choose_a_size_and_copy_its_url(
    page: webdriver.Chrome, cluster: Cluster, tmp_path: Path
) -> None:
    image_id = uploaded(page, cluster.urls[0], photograph(tmp_path))
    one(page, f'[data-hash="{image_id}"]').click()
    until(page, "document.querySelector('#panel').open")
    field = one(page, "#size-text")
    field.send_keys("120w80hc")
    until(page, "document.querySelector('#url').value.includes('/120w80hc/')")
    until(page, "document.querySelector('#preview').naturalWidth === 120")
    url = str(one(page, "#url").get_property("value"))
    assert f"/image/{image_id}/120w80hc/" in url
    assert shown(page, url) == (120, 80)
    field.clear()
    field.send_keys("12x")
    until(page, "document.querySelector('#size-wrong').textContent.length > 0")
    one(page, "#panel-close").click()
    page.refresh()
    assert tiles(page) >= 1, "the gallery survives a reload"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_no_page_is_wider_than_the_screen_or_complains(
    page: webdriver.Chrome, cluster: Cluster, width: int, scheme: str
) -> None:
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    complaints(page)  # forget those of other tests
    for path in ("/", "/status"):
        page.get(cluster.urls[1] + path)
        wide = page.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, path
        background, text = page.execute_script(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        )
        assert background != text
    assert complaints(page) == []
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_can_be_reached_by_keyboard_and_has_a_label(
    page: webdriver.Chrome, cluster: Cluster
) -> None:
    page.get(cluster.urls[0])
    nameless = page.execute_script("""
        const named = (e) => e.labels?.length || e.ariaLabel || e.title || e.textContent.trim();
        return [...document.querySelectorAll("button, input:not([type=hidden]), textarea, a")]
          .filter((e) => !named(e) || e.tabIndex < 0).map((e) => e.outerHTML);
    """)
    assert nameless == []


def test_without_scripts_the_form_does_it(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    path.write_bytes(encoded(corners(640, 320), "PNG"))
    with chromium(tmp_path / "profile", scripts=False) as plain:
        plain.get(cluster.urls[0])
        one(plain, "#image").send_keys(str(path))
        one(plain, "button[type=submit]").click()
        image = one(plain, "main img")
        assert "/image/" in str(image.get_attribute("src"))
        assert image.get_property("naturalWidth") is not None


def test_z_a_photograph_is_seen_from_all_ports_and_from_two_after_a_kill(
    page: webdriver.Chrome, cluster: Cluster, tmp_path: Path
) -> None:
    image_id = uploaded(page, cluster.urls[0], photograph(tmp_path, "holiday.jpg"))

    def sizes(url: str) -> list[tuple[int, int]]:
        page.get(url)  # a page of that node, whose policy allows its own pictures
        return [shown(page, f"{url}/image/{image_id}/{s}/x.jpg") for s in ("200s", "800w", "full")]

    first = sizes(cluster.urls[0])
    assert first[0] == (200, 200)
    assert first[1][0] == 800
    assert first[2][0] >= 800
    for url in cluster.urls[1:]:
        assert sizes(url) == first
    cluster.kill("node-2")
    for url in cluster.urls[:2]:
        assert sizes(url) == first
    page.get(cluster.urls[0] + "/status")
    assert "node-2" in one(page, "main").text
    assert "does not answer" in one(page, "main").text or "unreachable" in one(page, "main").text
