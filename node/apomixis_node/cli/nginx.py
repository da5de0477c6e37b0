"""`apomixis nginx`, `apomixis nginx-config`: the web server in front of a node."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import sys
from typing import Annotated

import typer

from apomixis_node.cli.terminal import Failure
from apomixis_node.disk import DiskFailed, make_folder, write_durably
from apomixis_node.environment import load
from apomixis_node.settings import Settings, SettingsError

SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)


def program() -> str | None:
    """nginx, which lies where only root looks; None where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")


def nginx_config() -> None:
    """Print the configuration of the nginx in front of a node, made from the node's settings.

    The settings are the node's own environment variables; `APOMIXIS_SOCKET` must name the Unix
    socket between the two:

        APOMIXIS_NAME=photos-0 APOMIXIS_SECRET_FILE=secret APOMIXIS_SOCKET=/run/apomixis.sock
        apomixis nginx-config > nginx.conf
    """
    typer.echo(_configuration(_settings()), nl=False)


def nginx(
    end_with_parent: Annotated[
        bool,
        typer.Option(
            "--end-with-parent",
            help="End when the process that started it does: how `apomixis up` takes it with it.",
        ),
    ] = False,
) -> None:
    """Run nginx in front of a node, in the foreground: what a container runs beside the node.

    It takes the node's own environment variables, writes its configuration to `nginx/` on the
    node's volume, listens on `APOMIXIS_HOST` and `APOMIXIS_PORT`, and reaches the node by
    `APOMIXIS_SOCKET`. It needs no privileges. SIGQUIT ends it after the requests under way.
    """
    settings = _settings()
    text = _configuration(settings)
    found = program()
    if found is None:
        raise Failure("nginx is not installed; install it, or let the node serve by itself.", 2)
    from apomixis_node.nginx import folder

    where = folder(settings)
    try:
        make_folder(where)
        write_durably(settings.data, where / "nginx.conf", text.encode())
    except (DiskFailed, OSError) as wrong:
        raise Failure(f"{where} can't be written: {wrong}.", 2) from None
    if end_with_parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    sys.stdout.flush()
    os.execv(found, arguments(found, settings))  # noqa: S606  its arguments are ours


def arguments(found: str, settings: Settings) -> list[str]:
    """The command line that runs it in the foreground, as the user that we are."""
    from apomixis_node.nginx import folder

    where = str(folder(settings))
    as_us = f" user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
    configured = ["-c", f"{where}/nginx.conf", "-g", f"daemon off;{as_us}"]
    return [found, "-e", "stderr", "-p", where, *configured]


def _settings() -> Settings:
    try:
        return load()
    except SettingsError as wrong:
        raise Failure(str(wrong), status=2) from None


def _configuration(settings: Settings) -> str:
    from apomixis_node.nginx import configuration  # late, so that `--help` starts at once

    try:
        return configuration(settings)
    except ValueError as wrong:
        raise Failure(str(wrong), status=2) from None
