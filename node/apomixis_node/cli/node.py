"""`apomixis node`: one node in the foreground, told everything by its environment."""

from __future__ import annotations

import os
import signal
import threading
from typing import Annotated

import typer

from apomixis_node.cli.terminal import Failure
from apomixis_node.environment import load
from apomixis_node.settings import SettingsError


def node(
    end_with_stdin: Annotated[
        bool,
        typer.Option(
            "--end-with-stdin",
            help="End when standard input is closed: how `apomixis up` takes its nodes with it.",
        ),
    ] = False,
) -> None:
    """Run one node: what a container runs.

    Its settings are environment variables that begin with `APOMIXIS_`; `docs/configuration.md`
    lists them. A wrong one stops the start with a sentence and exit status 2.

        APOMIXIS_NAME=photos-0 APOMIXIS_SECRET_FILE=/etc/apomixis/secret apomixis node

    SIGTERM ends it: requests that are under way are finished first.
    """
    try:
        settings = load()
        if end_with_stdin:
            threading.Thread(target=_end_with_stdin, daemon=True).start()
        from apomixis_node.server import run  # late, so that `--help` and the others start at once

        status = run(settings)
    except SettingsError as wrong:
        raise Failure(str(wrong), status=2) from None
    raise typer.Exit(status)


def _end_with_stdin() -> None:
    # os.read and not sys.stdin: a daemon thread must not hold a buffer's lock when Python ends.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
