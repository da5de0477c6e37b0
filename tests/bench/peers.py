"""Servers to compare with, started as processes on one core and ended with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

THUMBOR = "thumbor==7.8.0"
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


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes started inside run on this core, where there is more than one."""
    mine = os.sched_getaffinity(0)
    cores = sorted(mine)
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def thumbor_program(cache: Path) -> Path | None:
    """thumbor in an environment of its own, made the first time; None where it can't be had."""
    program = cache / "thumbor" / "bin" / "thumbor"
    if not program.exists():
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(cache / "thumbor")], check=False, timeout=120
        )
        pip = [str(cache / "thumbor" / "bin" / "pip"), "-q", "install", THUMBOR]
        if made.returncode or subprocess.run(pip, check=False, timeout=600).returncode:
            return None
    return program


@contextmanager
def thumbor(program: Path, photos: Path, folder: Path) -> Iterator[str]:
    """Its base URL."""
    port = free_port()
    conf = folder / "thumbor.conf"
    conf.write_text(THUMBOR_CONF.format(photos=str(photos), results=str(folder / "results")))
    arguments = [str(program), "-i", "127.0.0.1", "-p", str(port), "-c", str(conf), "-l", "error"]
    with _running(arguments, f"http://127.0.0.1:{port}/healthcheck"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def nginx(root: Path, folder: Path) -> Iterator[str | None]:
    """Its base URL, serving `root` as files; None where it is not installed."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        yield None
        return
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, port=port, root=root))
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    with _running([program, "-c", str(conf), *user], f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(arguments: list[str], url: str) -> Iterator[None]:
    with on_core(0):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(url, timeout=2)
                break
            except httpx.TransportError:
                assert process.poll() is None, f"{arguments[0]} ended at once"
                assert time.monotonic() < deadline, f"{arguments[0]} does not answer"
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(10)
