"""One task per cluster: wake on an event or the clock, one round, sleep."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

import structlog

from apomixis_operator.actions import Plan
from apomixis_operator.kube import Kube
from apomixis_operator.metrics import Metrics
from apomixis_operator.reconcile import Memory, reconcile
from apomixis_operator.settings import Settings

SETTLE_S = 0.2  # events come in swarms
log = structlog.get_logger()


@dataclass
class _Task:
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    memory: Memory = field(default_factory=Memory)
    task: asyncio.Task[None] | None = None


class Loop:
    """All clusters that are watched."""

    def __init__(self, kube: Kube, settings: Settings, metrics: Metrics) -> None:
        self._kube, self._settings, self._metrics = kube, settings, metrics
        self._tasks: dict[tuple[str, str], _Task] = {}
        self.completed = time.monotonic()

    def wake(self, namespace: str, name: str) -> None:
        """Something happened to this cluster or its children."""
        key = (namespace, name)
        if key not in self._tasks:
            entry = self._tasks[key] = _Task()
            entry.task = asyncio.create_task(self._run(key, entry))
        self._tasks[key].wake.set()

    @property
    def healthy(self) -> bool:
        """Whether some round was completed lately, where there is anything to look at."""
        return not self._tasks or time.monotonic() - self.completed < 5 * self._settings.idle_s

    async def stop(self) -> None:
        """End all tasks; what is under way in a thread ends by its own timeouts."""
        tasks = [entry.task for entry in self._tasks.values() if entry.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: tuple[str, str], entry: _Task) -> None:
        failures = 0
        while True:
            entry.wake.clear()
            began = time.monotonic()
            try:
                planned = await asyncio.to_thread(
                    reconcile, self._kube, self._settings, *key, entry.memory
                )
            except Exception:
                failures += 1
                self._metrics.failed.labels(*key).inc()
                log.exception("a round failed", cluster=key[1], namespace=key[0])
                await asyncio.sleep(random.uniform(0.5, 1) * min(60.0, 2.0**failures))  # noqa: S311
                continue
            failures = 0
            self.completed = time.monotonic()
            self._metrics.took.observe(self.completed - began)
            if planned is None:
                self._metrics.forget(*key)
                self._tasks.pop(key, None)
                return
            self._metrics.note(*key, planned)
            await self._rest(entry, planned)

    async def _rest(self, entry: _Task, planned: Plan) -> None:
        at_rest = planned.resting and not planned.actions
        pause = self._settings.idle_s if at_rest else self._settings.busy_s
        try:
            jitter = random.uniform(0.8, 1.2)  # noqa: S311
            await asyncio.wait_for(entry.wake.wait(), pause * jitter)
        except TimeoutError:
            return
        await asyncio.sleep(SETTLE_S)
