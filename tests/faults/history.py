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
from urllib.parse import urlsplit

import httpx

from apomixis_ring.model import Ring
from apomixis_ring.reading import loads
from cluster import APOMIXIS, Cluster, alive
from faults.load import Load
from faults.weather import IMAGES, SMALL, Weather

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
WEATHER = {"cut": 3, "slow": 2, "fill": 2}  # where the network is its own


class History:
    """The faults of one seed."""

    def __init__(
        self, seed: int, seconds: float, folder: Path, weather: Weather | None = None
    ) -> None:
        self.seed, self.seconds = seed, seconds
        self.weather = weather
        self.faults = FAULTS | (WEATHER if weather else {})
        self.dice = random.Random(seed)
        self.log: list[str] = []
        self._folder = folder / IMAGES
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
            self._mend()
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
            kind = self.dice.choices(tuple(self.faults), tuple(self.faults.values()))[0]
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

    def _cut(self) -> None:
        assert self.weather is not None
        nodes = {e.name: str(urlsplit(e.internal_url).hostname) for e in self.cluster.nodes}
        self.note(self.weather.cut(self.dice, nodes))

    def _slow(self) -> None:
        assert self.weather is not None
        self.note(self.weather.slow())

    def _fill(self) -> None:
        assert self.weather is not None
        self.note(self.weather.fill())

    def _mend(self) -> None:
        """The network and the volume as they were."""
        if self.weather is not None:
            self.note(self.weather.mend())

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
            # A folder on which something is mounted can't be put away.
            names = [m.name for m in ring.members if not (self.weather and m.name == SMALL)]
            self._command("replace", self.dice.choice(names))

    def _restart(self) -> None:
        """End `up` in the middle of whatever it does, and start it again."""
        pids = [entry.pid for entry in self.cluster.nodes if entry.pid is not None]
        self.cluster.process.kill()
        self.cluster.process.wait()
        self.note("up is killed")
        self._thaw()  # a frozen node can't see that `up` is gone
        self._until_gone(pids)
        self.cluster = self._up(nodes=None)
        self.cluster.start(ready=False)

    def _until_gone(self, pids: list[int]) -> None:
        deadline = time.monotonic() + HEAL_S
        while left := [pid for pid in pids if alive(pid)]:
            assert time.monotonic() < deadline, f"nodes outlive `up`: {left}"
            time.sleep(0.05)

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

    def _left(self) -> list[Path]:
        folders = [Path(entry.data) / "tmp" for entry in self.cluster.nodes]
        return [path for folder in folders for path in folder.iterdir()]

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
        # What an owner that was down still has to get is kept until its last retry.
        self._until(lambda: not self._left(), "tmp/ to be empty everywhere")
        self.note(json.dumps(dict(self.load.answers)))
