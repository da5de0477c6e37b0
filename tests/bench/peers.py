"""Servers to compare with, started as processes on one core and ended with it; their versions."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

CORES = sorted(os.sched_getaffinity(0))  # before any pinning
SERVERS, LOAD = 0, 1  # places in it
CPU_CLOCK = 2  # of a whole process: CPUCLOCK_SCHED
THUMBOR = Path(__file__).with_name("thumbor.txt")
THUMBOR_CONF = """
LOADER = 'thumbor.loaders.file_loader'
FILE_LOADER_ROOT_PATH = {photos!r}
STORAGE = 'thumbor.storages.no_storage'
RESULT_STORAGE = 'thumbor.result_storages.file_storage'
RESULT_STORAGE_FILE_STORAGE_ROOT_PATH = {results!r}
RESULT_STORAGE_STORES_UNSAFE = True
QUALITY = 82
"""
NGINX_CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000; types {{ image/jpeg jpg; }}
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
SYSTEM_PYTHON = "/usr/bin/python3"  # whose packages Debian's python3-swift is among


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes started inside run on this core; on the only one, where there is no other."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[core % len(CORES)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and those that it started have used so far, all threads of theirs.

    From each process' own clock (clock_getcpuclockid(3)), for /proc counts in hundredths.
    """
    process = psutil.Process(pid)
    pids = [p.pid for p in (process, *process.children(recursive=True))]
    return sum(time.clock_gettime(~p << 3 | CPU_CLOCK) for p in pids)


def thumbor_program(cache: Path) -> Path | None:
    """thumbor in an environment of its own, made the first time; None where it can't be had."""
    folder = cache / "thumbor"
    made = folder / THUMBOR.name
    if not made.exists() or made.read_bytes() != THUMBOR.read_bytes():
        sys.stderr.write(f"==> Installing thumbor into {folder} (once; about half a minute)\n")
        python = str(folder / "bin" / "python")
        try:
            _run(sys.executable, "-m", "venv", "--clear", str(folder))
            _run(python, "-m", "pip", "-q", "--disable-pip-version-check", "install", "-r", THUMBOR)
        except (OSError, subprocess.SubprocessError) as wrong:
            sys.stderr.write(f"thumbor can't be had: {wrong}\n")
            return None
        shutil.copy(THUMBOR, made)
    return folder / "bin" / "thumbor"


@contextmanager
def thumbor(program: Path, photos: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Its base URL and process id."""
    port = free_port()
    conf = folder / "thumbor.conf"
    conf.write_text(THUMBOR_CONF.format(photos=str(photos), results=str(folder / "results")))
    arguments = [str(program), "-i", "127.0.0.1", "-p", str(port), "-c", str(conf), "-l", "error"]
    with running(arguments, f"http://127.0.0.1:{port}/healthcheck") as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextmanager
def nginx(program: str, root: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Its base URL and process id, serving `root` as files."""
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, port=port, root=root))
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    with running([program, "-c", str(conf), *user], f"http://127.0.0.1:{port}/") as pid:
        yield f"http://127.0.0.1:{port}", pid


def nginx_program() -> str | None:
    """nginx, which lies where only root looks; None where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def versions(thumbors: Path | None) -> dict[str, str | None]:
    """The version of every peer and tool; None for one that is missing."""
    python = thumbors.with_name("python") if thumbors else "missing"
    thumbor = "import PIL; from thumbor import __version__ as v; print(v, 'with Pillow', "
    swift = "import swift.common.ring, importlib.metadata as m; print(m.version('swift'))"
    return {
        "nginx": version(nginx_program() or "nginx", "-v"),
        "thumbor": version(python, "-c", thumbor + "PIL.__version__)"),
        "wrk": version("wrk", "-v"),
        "Swift's RingBuilder": version(SYSTEM_PYTHON, "-c", swift),
    }


def version(*command: str | Path) -> str | None:
    """The version that a program says; None where it is missing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return None
    found = re.search(r"\d+\.\d+\.\d+[^\n\[]*", done.stdout + done.stderr)
    return found[0].strip() if found and "Error" not in done.stderr else None


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=600)


def free_port() -> int:
    """A port of the loopback address that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(arguments: Sequence[str], url: str) -> Iterator[int]:
    """The process id of a server that answers at `url`."""
    with on_core(SERVERS):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(url, timeout=2, trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None, f"{arguments[0]} ended at once"
                assert time.monotonic() < deadline, f"{arguments[0]} does not answer"
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)
