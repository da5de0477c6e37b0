"""Worker processes that hang, burst, die or are killed: the job fails, the next one doesn't."""

from __future__ import annotations

import asyncio
import operator
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from apomixis_node import workers as workers_module
from apomixis_node.errors import ApiError
from apomixis_node.inside import NICE
from apomixis_node.settings import Settings
from apomixis_node.workers import WorkerFailed, Workers
from cluster import alive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("workers")]

MIB = 1024 * 1024
WAIT_S = 50.0


def settings(folder: Path, **changed: Any) -> Settings:
    (folder / "secret").write_text("secret")
    told: dict[str, Any] = {"workers": 1, "render_memory": 512 * MIB, "render_pixels": 100}
    return Settings(name="node", data=folder, secret_file=folder / "secret", **{**told, **changed})


@asynccontextmanager
async def running(folder: Path, **changed: Any) -> AsyncIterator[Workers]:
    workers = Workers(settings(folder, **changed))
    await workers.start()
    try:
        yield workers
    finally:
        await workers.stop()


async def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for {what}"
        await asyncio.sleep(0.02)


def processes() -> set[int]:
    """Everything below this process but the forkserver and the resource tracker themselves."""
    below = psutil.Process().children()
    return {child.pid for process in below for child in process.children(recursive=True)}


class Gate:
    """Jobs that are at work until they may go on; each says that it has begun."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def job(self, workers: Workers, pixels: int = 0) -> None:
        code = (
            "import os, pathlib, time\n"
            f"folder = pathlib.Path({str(self._folder)!r})\n"
            "(folder / f'{os.getpid()}.begun').touch()\n"
            "while not (folder / 'open').exists(): time.sleep(0.01)\n"
        )
        await workers.run(exec, code, pixels=pixels)

    async def begun(self, count: int = 1) -> None:
        await until(lambda: len(list(self._folder.glob("*.begun"))) >= count, "a job to begin")

    def open(self) -> None:
        (self._folder / "open").touch()


async def test_a_worker_is_nice_and_has_little_memory(tmp_path: Path) -> None:
    async with running(tmp_path) as workers:
        pid = await workers.run(os.getpid, pixels=0)
        assert pid != os.getpid()
        assert await workers.run(os.getpriority, os.PRIO_PROCESS, 0, pixels=0) == NICE == 10
        limits = await workers.run(resource.getrlimit, resource.RLIMIT_AS, pixels=0)
        assert set(limits) == {512 * MIB}


async def test_a_job_past_its_deadline_is_killed_and_its_worker_replaced(tmp_path: Path) -> None:
    async with running(tmp_path, render_deadline=0.3) as workers:
        first = await workers.run(os.getpid, pixels=0)
        with pytest.raises(WorkerFailed, match=r"longer than 0\.3 s"):
            await workers.run(time.sleep, 600, pixels=0)
        await until(lambda: not alive(first), "the late worker's end")
        assert await workers.run(os.getpid, pixels=0) != first


@pytest.mark.parametrize("job", [(bytearray, 2048 * MIB), (operator.mul, b"x", 2048 * MIB)])
async def test_a_memory_bomb_fails_alone(tmp_path: Path, job: tuple[Any, ...]) -> None:
    async with running(tmp_path) as workers:
        with pytest.raises(WorkerFailed, match="more memory"):
            await workers.run(*job, pixels=0)
        assert await workers.run(abs, -1, pixels=0) == 1


async def test_a_job_that_takes_its_worker_down_fails_alone(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2) as workers:
        for number in (signal.SIGKILL, signal.SIGSEGV):
            with pytest.raises(WorkerFailed, match="down"):
                await workers.run(signal.raise_signal, number, pixels=0)
        assert await workers.run(abs, -1, pixels=0) == 1


async def test_what_a_job_raises_is_raised(tmp_path: Path) -> None:
    async with running(tmp_path) as workers:
        with pytest.raises(ZeroDivisionError):
            await workers.run(operator.truediv, 1, 0, pixels=0)
        assert await workers.run(abs, -1, pixels=0) == 1


async def test_a_worker_killed_at_work_fails_its_job_and_no_other(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with running(tmp_path) as workers:
        pid = await workers.run(os.getpid, pixels=0)
        killed = asyncio.create_task(gate.job(workers, pixels=100))
        await gate.begun()
        queued = asyncio.create_task(workers.run(os.getpid, pixels=100))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="down"):
            await asyncio.wait_for(killed, WAIT_S)
        assert await asyncio.wait_for(queued, WAIT_S) != pid


@pytest.mark.parametrize("how_many", [1, 2])
async def test_workers_killed_while_idle_are_replaced(tmp_path: Path, how_many: int) -> None:
    """The kernel's OOM killer takes whom it likes."""
    async with running(tmp_path, workers=2) as workers:
        before = processes()
        assert len(before) == 2
        for _ in range(2):
            killed = sorted(processes())[:how_many]
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            await until(lambda gone=killed: not any(map(alive, gone)), "their end")  # type: ignore[misc]
            jobs = [workers.run(abs, -n, pixels=1) for n in range(20)]
            assert await asyncio.wait_for(asyncio.gather(*jobs), WAIT_S) == list(range(20))
        await until(lambda: len(processes()) == 2, "two workers, and no more")


async def test_a_killed_forkserver_is_replaced(tmp_path: Path) -> None:
    async with running(tmp_path) as workers:
        pid = await workers.run(os.getpid, pixels=0)
        server = await workers.run(os.getppid, pixels=0)
        assert server != os.getpid()
        os.kill(server, signal.SIGKILL)
        await until(lambda: not alive(pid), "the worker to follow its forkserver")
        assert await asyncio.wait_for(workers.run(abs, -1, pixels=0), WAIT_S) == 1


async def test_a_cancelled_job_is_killed(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with running(tmp_path) as workers:
        pid = await workers.run(os.getpid, pixels=0)
        task = asyncio.create_task(gate.job(workers, pixels=100))
        await gate.begun()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await asyncio.wait_for(workers.run(os.getpid, pixels=100), WAIT_S) != pid


async def test_the_queue_is_bounded(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with running(tmp_path, render_queue=2) as workers:
        tasks = [asyncio.create_task(gate.job(workers, pixels=1)) for _ in range(3)]
        await gate.begun()
        with pytest.raises(ApiError) as refused:
            await workers.run(abs, -1, pixels=1)
        assert (refused.value.code, refused.value.status) == ("busy", 429)
        assert refused.value.headers()["Retry-After"] == "1"
        gate.open()
        await asyncio.gather(*tasks)
        assert await workers.run(abs, -1, pixels=1) == 1


async def test_what_runs_at_once_is_bounded_by_pixels(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with running(tmp_path, workers=2) as workers:
        first = asyncio.create_task(gate.job(workers, pixels=60))
        await asyncio.sleep(0)
        large = asyncio.create_task(workers.run(abs, -1, pixels=50))
        await asyncio.sleep(0)
        small = asyncio.create_task(workers.run(abs, -2, pixels=1))
        # A worker is free, and says so: only the pixels hold the other two back.
        assert await workers.run(abs, -3, pixels=0) == 3
        assert not large.done()
        assert not small.done(), "a small picture overtook a large one"
        gate.open()
        await first
        assert [*await asyncio.gather(large, small)] == [1, 2]


async def test_a_picture_above_the_budget_runs_alone(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with running(tmp_path, workers=2) as workers:
        huge = asyncio.create_task(gate.job(workers, pixels=10**9))
        await asyncio.sleep(0)
        other = asyncio.create_task(workers.run(abs, -1, pixels=1))
        assert await workers.run(abs, -3, pixels=0) == 3
        assert not other.done()
        gate.open()
        await huge
        assert await other == 1


async def test_who_gives_up_waiting_for_room_leaves_nothing_behind(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with running(tmp_path, workers=2) as workers:
        first = asyncio.create_task(gate.job(workers, pixels=60))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(workers.run(abs, -n, pixels=100)) for n in range(3)]
        assert await workers.run(abs, -3, pixels=0) == 3
        for task in waiting[:2]:
            task.cancel()
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        gate.open()
        await first
        assert await asyncio.wait_for(waiting[2], WAIT_S) == 2
        assert await workers.run(abs, -4, pixels=100) == 4


async def test_workers_are_recycled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "MAX_TASKS", 2)
    async with running(tmp_path) as workers:
        pids = [await workers.run(os.getpid, pixels=0) for _ in range(6)]
        assert len(set(pids)) >= 3


async def test_stop_leaves_no_process_and_ends_what_runs(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    workers = Workers(settings(tmp_path, workers=2))
    await workers.start()
    pids = processes()
    tasks = [asyncio.create_task(gate.job(workers)) for _ in range(5)]
    await gate.begun(2)
    await asyncio.wait_for(workers.stop(), WAIT_S)
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_S)
    assert all(isinstance(result, BaseException) for result in results)
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)
    assert processes() == set()


KILLED = """
import asyncio, os, sys, time
from apomixis_node.settings import Settings
from apomixis_node.workers import Workers
async def main():
    workers = Workers(Settings(name="n", data=sys.argv[1], secret_file=sys.argv[1], workers=2))
    await workers.start()
    busy = asyncio.create_task(workers.run(time.sleep, 600, pixels=0))
    print("started", flush=True)
    await busy
asyncio.run(main())
"""


def test_workers_end_when_the_node_is_killed(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        assert node.stdout.readline() == b"started\n"
        pids = [child.pid for child in psutil.Process(node.pid).children(recursive=True)]
        assert len(pids) >= 3  # forkserver and two workers
        node.kill()
        node.wait()
        asyncio.run(until(lambda: not any(map(alive, pids)), "the workers' end"))
