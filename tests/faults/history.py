"""One seeded history of real faults on a real cluster under load; then it heals and is checked."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from apomixis_ring.model import Ring
from apomixis_ring.reading import loads
from cluster import APOMIXIS, Cluster
from faults.load import Load

HEAL_S = 180.0
ENVIRONMENT = {
    "APOMIXIS_WRITE_TIMEOUT": "6",
    "APOMIXIS_PEER_TIMEOUT": "3",
    "APOMIXIS_CONNECT_TIMEOUT": "1",
    "APOMIXIS_SUSPECT_FOR": "2",
    "APOMIXIS_DEAD_AFTER": "4",
    "APOMIXIS_GOSSIP_INTERVAL": "0.5",
    "APOMIXIS_VERIFY_RATE": "0",
    "APOMIXIS_WORKERS": "1",
}
FAULTS = {"kill": 4, "freeze": 3, "flip": 2, "lose": 1, "scale": 4, "replace": 1, "restart": 1}


class History:
    """The faults of one seed."""

    def __init__(self, seed: int, seconds: float, folder: Path) -> None:
        self.seed, self.seconds = seed, seconds
        self.dice = random.Random(seed)
        self.log: list[str] = []
        self._folder = folder / "images"
        self.cluster = self._up(nodes=3)
        self.frozen: list[int] = []
        self.wanted = 3
        self.began = time.monotonic()
        self.load = Load(seed, self._urls, self.note)

    def _up(self, nodes: int | None) -> Cluster:
        zones = ("a", "b", "c") if nodes else ()
        return Cluster(self._folder, nodes=nodes, zones=zones, environment=ENVIRONMENT)

    def note(self, text: str) -> None:
        """A line of the history."""
        self.log.append(f"{time.monotonic() - self.began:7.2f} {text}")

    def run(self) -> None:
        """Play, heal, check. AssertionErrors carry the history."""
        self.cluster.start()
        try:
            self.load.start()
            self._play()
            self._thaw()
            self.load.stop()
            self._heal()
            self._check()
        except AssertionError as wrong:
            story = "\n".join(self.log)
            raise AssertionError(
                f"seed {self.seed}\n{story}\n{dict(self.load.answers)}\n{wrong}\n"
                f"data: {self.cluster.folder.path}\n{self.cluster.said[-3000:]}"
            ) from wrong
        finally:
            self._thaw()
            self.load.stop()
            self.cluster.stop()

    def _urls(self) -> list[str]:
        with suppress(Exception):
            return [e.public_url for e in self.cluster.nodes if e.pid is not None]
        return []

    # ---- faults

    def _play(self) -> None:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            time.sleep(self.dice.uniform(0.5, 2.5))
            kind = self.dice.choices(tuple(FAULTS), tuple(FAULTS.values()))[0]
            getattr(self, f"_{kind}")()

    def _running(self) -> Any:
        running = [e for e in self.cluster.nodes if e.pid is not None]
        return self.dice.choice(running) if running else None

    def _signal(self, entry: Any, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(entry.pid, number)
            self.note(f"{number.name} to {entry.name}")

    def _kill(self) -> None:
        if entry := self._running():
            self._signal(entry, signal.SIGKILL)

    def _freeze(self) -> None:
        if self.frozen:
            self._thaw()
        elif entry := self._running():
            self._signal(entry, signal.SIGSTOP)
            self.frozen.append(entry.pid)

    def _thaw(self) -> None:
        for pid in self.frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                self.note(f"SIGCONT to process {pid}")
        self.frozen.clear()

    def _original(self) -> Path | None:
        """Some original of which another node has a whole copy."""
        copies: dict[str, list[Path]] = {}
        for entry in self.cluster.nodes:
            for path in (Path(entry.data) / "originals").rglob("*.jpg"):
                copies.setdefault(path.name, []).append(path)
        several = sorted(name for name, paths in copies.items() if len(paths) >= 3)
        return self.dice.choice(copies[self.dice.choice(several)]) if several else None

    def _flip(self) -> None:
        """Rot one byte in place, its mtime kept."""
        if (path := self._original()) is None:
            return
        with suppress(FileNotFoundError):
            stat = path.stat()
            with path.open("r+b") as file:
                file.seek(stat.st_size // 2)
                byte = file.read(1)
                file.seek(stat.st_size // 2)
                file.write(bytes([byte[0] ^ 0x55]))
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            self.load.rotten.add(path.stem)
            self.note(f"a byte of {path} flips")

    def _lose(self) -> None:
        if (path := self._original()) is not None:
            with suppress(FileNotFoundError):
                path.unlink()
                self.note(f"{path} is lost")

    def _command(self, *arguments: str) -> None:
        data = str(self.cluster.folder.path)
        done = subprocess.run(
            [*APOMIXIS, *arguments, "--data", data],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.note(f"apomixis {' '.join(arguments)}: {done.returncode}")

    def _scale(self) -> None:
        self.wanted = self.dice.choice((3, 4, 5))
        self._command("scale", str(self.wanted))

    def _replace(self) -> None:
        """A blank disk, while the ring is at rest and all else is well."""
        ring = self._ring()
        if ring.pending is None and not self.frozen and len(ring.members) == self.wanted:
            self._command("replace", self.dice.choice(ring.members).name)

    def _restart(self) -> None:
        """End `up` in the middle of whatever it does, and start it again."""
        self.cluster.process.kill()
        self.cluster.process.wait()
        self.note("up is killed")
        self.frozen.clear()
        self.cluster = self._up(nodes=None)
        self.cluster.start(ready=False)

    # ---- healing and checking

    def _ring(self) -> Ring:
        return loads(self.cluster.folder.ring_file.read_text())

    def _heal(self) -> None:
        self._command("scale", "3")
        self.wanted = 3
        self._until(self._stable, "the ring to be stable with three members")
        self._command("verify")
        self._until(self._well, "all nodes to have caught up and dropped what is others'")
        self._command("verify")

    def _until(self, true: Callable[[], bool], what: str) -> None:
        self.cluster.wait(true, what, seconds=HEAL_S)
        self.note(f"reached: {what}")

    def _stable(self) -> bool:
        ring = self._ring()
        return ring.pending is None and len(ring.members) == 3 and len(self.cluster.nodes) == 3

    def _reports(self) -> list[dict[str, Any]]:
        secret = {"Authorization": f"Bearer {self.cluster.folder.secret()}"}
        found = []
        for entry in self.cluster.nodes:
            with suppress(httpx.HTTPError, ValueError):
                answer = httpx.get(f"{entry.internal_url}/report", headers=secret, timeout=10)
                found.append(answer.json())
        return found

    def _well(self) -> bool:
        reports = self._reports()
        epoch = self._ring().epoch
        return len(reports) == 3 and all(
            r["caughtUp"] and r["epoch"] == epoch and r["leftovers"] == 0 for r in reports
        )

    def _check(self) -> None:
        assert not self.load.wrong, self.load.wrong[0]
        ring = self._ring()
        for image_id, record in self.load.records.items():
            owners = {m.name for m in ring.owners(image_id)}
            for entry in self.cluster.nodes:
                found = list((Path(entry.data) / "originals").rglob(f"{image_id}.jpg"))
                if record.acknowledged and not record.deleting:
                    assert bool(found) is (entry.name in owners), (image_id, entry.name, owners)
                    assert not found or found[0].read_bytes() == record.data, found
                    answer = httpx.get(
                        f"{entry.public_url}/image/{image_id}/full/x.jpg", timeout=30
                    )
                    assert (answer.status_code, answer.content) == (200, record.data)
                if record.deleted:
                    assert not found, f"{found} was deleted"
                    answer = httpx.get(
                        f"{entry.public_url}/image/{image_id}/full/x.jpg", timeout=30
                    )
                    assert answer.status_code in (404, 410), answer.text
        for entry in self.cluster.nodes:
            left = list((Path(entry.data) / "tmp").iterdir())
            assert not left, f"left over: {left}"
        self.note(json.dumps(dict(self.load.answers)))
