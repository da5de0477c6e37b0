"""A real headless Chromium, from Debian, driven by selenium without anything from the network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from needs import need

WAIT_S = 60


@contextmanager
def chromium(profile: Path, *, scripts: bool = True) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile, 1200 by 900; without `scripts` no JavaScript runs."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(browser and driver, "Chromium is missing: apt install chromium chromium-driver")
    assert browser is not None
    options = Options()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--window-size=1200,900",
        f"--user-data-dir={profile}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ):
        options.add_argument(argument)
    if not scripts:
        options.add_experimental_option(
            "prefs", {"profile.managed_default_content_settings.javascript": 2}
        )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    page = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    try:
        page.set_script_timeout(WAIT_S)
        yield page
    finally:
        page.quit()


def until(page: webdriver.Chrome, script: str) -> object:
    """Wait until this JavaScript expression is true; its value."""
    return WebDriverWait(page, WAIT_S, 0.05).until(lambda p: p.execute_script(f"return {script}"))


def one(page: webdriver.Chrome, selector: str) -> WebElement:
    """The first element for a CSS selector."""
    return page.find_element("css selector", selector)


def complaints(page: webdriver.Chrome) -> list[str]:
    """What the browser logged as errors: scripts, policies, missing files."""
    entries = page.get_log("browser")  # type: ignore[no-untyped-call]
    return [str(e["message"]) for e in entries if e["level"] == "SEVERE"]
