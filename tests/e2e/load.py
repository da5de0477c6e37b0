"""Uploads and reads through the Ingress, and a record of what was acknowledged and what failed."""

from __future__ import annotations

import os
import random
import threading
import time
from hashlib import sha1
from types import TracebackType

import httpx
import pytest

from e2e.release import Release
from pictures import noise

SIZES = ("full", "60w", "40s", "50w30hc")
READERS = 2
PAUSE_S = 0.5
"""Between two requests of one thread: a busy site, not a benchmark."""


def door() -> str:
    """Where the Ingress listens."""
    if not (found := os.environ.get("INGRESS")):
        pytest.skip("needs an Ingress controller: INGRESS=http://ADDRESS")
    return found


class Load:
    """One thread uploads, two read. Nothing is tried twice: a failed read is a failed read."""

    def __init__(self, release: Release, *, writes: bool = True) -> None:
        self.release = release
        self.acknowledged: dict[str, int] = {}
        self.failed_reads: list[str] = []
        self.failed_writes: list[str] = []
        self.reads = 0
        self._chance = random.Random(5)
        self._over = threading.Event()
        jobs = [self._reads] * READERS + ([self._writes] if writes else [])
        self._threads = [threading.Thread(target=job) for job in jobs]

    def __enter__(self) -> Load:
        self.wait_for_the_door()
        for _ in range(5):
            self.upload()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=door(), headers={"Host": self.release.host}, timeout=15)

    def upload(self, client: httpx.Client | None = None) -> str:
        """The id, or empty where it was not acknowledged."""
        photo = noise(120, 80)
        began = time.strftime("%H:%M:%S")
        try:
            with client or self.client() as used:
                answer = used.post("/", content=photo, headers={"Content-Type": "image/jpeg"})
        except httpx.HTTPError as wrong:
            self.failed_writes.append(f"{began} {wrong!r}")
            return ""
        if answer.status_code not in (200, 201):
            self.failed_writes.append(f"{began} {answer.status_code} {answer.text[:200]}")
            return ""
        image_id = str(answer.json()["hash"])
        assert image_id == sha1(photo, usedforsecurity=False).hexdigest()
        self.acknowledged[image_id] = len(photo)
        return image_id

    def read(self, image_id: str, size: str = "full") -> httpx.Response:
        with self.client() as client:
            return client.get(f"/image/{image_id}/{size}/photo.jpg")

    def wait_for_the_door(self) -> None:
        """Until a node answers through the Ingress."""
        self.release.eventually(self._answers, "an answer through the Ingress")

    def wait(self, uploads: int = 6) -> None:
        """Until so many more were acknowledged."""
        goal = len(self.acknowledged) + uploads
        self.release.eventually(lambda: len(self.acknowledged) >= goal, f"{goal} uploads")

    def assert_no_read_failed(self) -> None:
        assert self.reads > 20, self.reads
        assert not self.failed_reads, (self.reads, self.failed_reads)

    def assert_no_write_failed(self) -> None:
        assert self.acknowledged
        assert not self.failed_writes, (len(self.acknowledged), self.failed_writes)

    def assert_all_there(self) -> None:
        """Every acknowledged picture comes back through the Ingress, byte by byte."""
        with self.client() as client:
            for image_id in list(self.acknowledged):
                answer = client.get(f"/image/{image_id}/full/photo.jpg")
                assert answer.status_code == 200, (image_id, answer.text)
                assert sha1(answer.content, usedforsecurity=False).hexdigest() == image_id

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                answer = client.get(f"/image/{'0' * 40}/full/x.jpg")
                return answer.status_code == 404 and answer.json()["error"] == "not_found"
            except (httpx.HTTPError, ValueError):  # the Ingress's own 404 is no JSON
                return False

    def _writes(self) -> None:
        while not self._over.wait(PAUSE_S):
            self.upload()

    def _reads(self) -> None:
        with self.client() as client:
            while not self._over.wait(PAUSE_S):
                image_id = self._chance.choice(list(self.acknowledged))
                path = f"/image/{image_id}/{self._chance.choice(SIZES)}/photo.jpg"
                began = time.strftime("%H:%M:%S")
                try:
                    answer = client.get(path)
                except httpx.HTTPError as wrong:
                    self.failed_reads.append(f"{began} {path}: {wrong!r}")
                    continue
                self.reads += 1
                if answer.status_code != 200:
                    told = f"{began} {path}: {answer.status_code} {answer.text[:200]}"
                    self.failed_reads.append(told)
