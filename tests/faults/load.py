"""A load of uploads, reads and deletes, with a record of everything that was acknowledged."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from pictures import noise

PICTURES = 40
TIMEOUT_S = 25.0
PAUSE_S = 0.02


@dataclass
class Record:
    """What clients were told of one id. `deleted` may be True only after an acknowledged delete."""

    data: bytes
    acknowledged: bool = False
    deleting: bool = False
    deleted: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Load:
    """Threads that upload, read and delete through whatever nodes run."""

    def __init__(
        self, seed: int, urls: Callable[[], list[str]], note: Callable[[str], None]
    ) -> None:
        self._dice = random.Random(seed)
        self._urls, self._note = urls, note
        pictures = [noise(64, 48) for _ in range(PICTURES)]
        self.records = {sha1(data): Record(data) for data in pictures}
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.rotten: set[str] = set()  # ids of which a copy has rotted, until verify has been there
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(random.Random(f"{seed} {i}"),))
            for i in range(4)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, once what is under way has been answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_S)

    def _work(self, dice: random.Random) -> None:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while not self._stop.is_set():
                urls = self._urls()
                image_id = dice.choice(list(self.records))
                kind = dice.choices(("upload", "read", "delete"), (4, 10, 1))[0]
                if urls:
                    getattr(self, f"_{kind}")(client, dice.choice(urls), image_id)
                time.sleep(PAUSE_S)

    def _ask(self, kind: str, call: Callable[[], httpx.Response]) -> httpx.Response | None:
        try:
            answer = call()
        except httpx.HTTPError:
            self.answers[f"{kind} broken"] += 1
            return None
        self.answers[f"{kind} {answer.status_code}"] += 1
        return answer

    def _upload(self, client: httpx.Client, url: str, image_id: str) -> None:
        record = self.records[image_id]
        with record.lock:
            record.deleted = False  # a refused upload may live, what is stored stays
            headers = {"Content-Type": "image/jpeg"}
            answer = self._ask(
                "upload", lambda: client.post(url, content=record.data, headers=headers)
            )
            if answer is not None and answer.status_code in (200, 201):
                record.acknowledged, record.deleting = True, False

    def _delete(self, client: httpx.Client, url: str, image_id: str) -> None:
        record = self.records[image_id]
        with record.lock:
            if not record.acknowledged:
                return
            record.deleting = True
            answer = self._ask("delete", lambda: client.delete(f"{url}/image/{image_id}"))
            if answer is not None and answer.status_code == 200:
                record.deleted = True

    def _read(self, client: httpx.Client, url: str, image_id: str) -> None:
        record = self.records[image_id]
        if not record.lock.acquire(blocking=False):
            return
        try:
            promised = record.acknowledged and not record.deleting
            path = f"{url}/image/{image_id}/full/x.jpg"
            answer = self._ask("read", lambda: client.get(path))
            if answer is None or not promised:
                return
            if answer.status_code in (404, 410):
                self._bad(f"{path} is {answer.status_code}, though it was promised: {answer.text}")
            rotten = image_id in self.rotten
            if answer.status_code == 200 and answer.content != record.data and not rotten:
                self._bad(f"{path} has other bytes")
        finally:
            record.lock.release()

    def _bad(self, sentence: str) -> None:
        self._note(sentence)
        self.wrong.append(sentence)


def sha1(data: bytes) -> str:
    """The id of a picture."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
