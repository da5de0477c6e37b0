"""`apomixis put`: many pictures into the cluster, several at once, each with its id at the end."""

from __future__ import annotations

import asyncio
import functools
import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from apomixis_node.access import Keys
from apomixis_node.cli.sending import Refused, Sender
from apomixis_node.cli.target import DataOption, UrlOption, targets
from apomixis_node.cli.terminal import Failure, err, out, say
from apomixis_node.formats import BY_EXTENSION, CANONICAL_EXTENSION
from apomixis_node.paths import file_name
from apomixis_node.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from apomixis_node.cli.sending import Stored

# Connecting is quick or never; an answer waits for hashing, decoding and the quorum.
TIMEOUT = httpx.Timeout(120.0, connect=5.0)
MOST_IN_FLIGHT = 64


def put(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE|FOLDER…", help="Pictures, and folders of them.")
    ],
    url: UrlOption = None,
    data: DataOption = None,
    key: Annotated[
        str | None, typer.Option(envvar="APOMIXIS_KEY", help="Upload key, where one is needed.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(envvar="APOMIXIS_KEY_FILE", help="File with the key in its first line."),
    ] = None,
    in_flight: Annotated[
        int, typer.Option(min=1, max=MOST_IN_FLIGHT, help="Uploads at the same time.")
    ] = 4,
    size_hints: Annotated[
        str, typer.Option(help="Sizes that will be wanted first, rendered ahead: `200s,800w`.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line for each file, as it ends.")
    ] = False,
) -> None:
    """Upload pictures and whole folders; prints the id of each. Exit status 1 if any failed.

        apomixis put photo.jpg

    Everything in two folders, sixteen at a time, to the nodes of an `apomixis up`:

        apomixis put holiday/ portraits/ --in-flight 16 --data ./images

    For scripts, with a key:

        APOMIXIS_KEY=… apomixis put *.jpg --json | jq -r .hash

    Folders are searched for files that are called like pictures; hidden ones are left out. Busy
    or silent nodes are tried again, a few times. Sending a file twice is safe: it has one id.
    """
    sender_urls = targets(url, data)
    files = list(find(paths))
    if not files:
        raise Failure("There are no pictures in what was named.")
    run = Run(as_json=as_json, jobs=deque(enumerate(files)))
    try:
        asyncio.run(run.all(sender_urls, _key(key, key_file), size_hints, in_flight))
    finally:
        run.summary()
    if run.failed:
        raise typer.Exit(1)


def find(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they were named, and the pictures in folders by their extension, in order."""
    for path in paths:
        if path.is_dir():
            yield from (p for p in sorted(path.rglob("*")) if _is_picture(p.relative_to(path), p))
        else:
            yield path


def _is_picture(inside: Path, path: Path) -> bool:
    extension = path.suffix.lower().lstrip(".")
    known = extension in BY_EXTENSION or extension in CANONICAL_EXTENSION
    return known and not any(part.startswith(".") for part in inside.parts) and path.is_file()


def _key(key: str | None, key_file: Path | None) -> str | None:
    if key or key_file is None:
        return key or None
    try:
        keys = Keys(key_file, "upload_keys").all
    except SettingsError:
        raise Failure(f"{key_file} can't be read; --key-file names a file with the key.") from None
    if not keys:
        raise Failure(f"{key_file} has no key in it.")
    return keys[0]


@dataclass
class Run:
    """One `put`: what is still to do, and how it went."""

    as_json: bool
    jobs: deque[tuple[int, Path]]
    new: int = 0
    present: int = 0
    failed: int = 0
    length: int = 0

    async def all(
        self, urls: tuple[str, ...], key: str | None, size_hints: str, in_flight: int
    ) -> None:
        """Upload everything, `in_flight` at a time; one line for each file as it ends."""
        total = sum(_length(path) for _, path in self.jobs)
        with _progress() as bar:
            task = bar.add_task(f"{len(self.jobs)} files", total=total)
            step = functools.partial(bar.advance, task)
            async with httpx.AsyncClient(timeout=TIMEOUT) as client:
                sender = Sender(client, urls, key, size_hints)
                await asyncio.gather(*(self._work(sender, step) for _ in range(in_flight)))

    async def _work(self, sender: Sender, step: Callable[[int], None]) -> None:
        while self.jobs:
            number, path = self.jobs.popleft()
            try:
                self._tell_stored(path, await sender.send_file(path, number, step))
            except Refused as refused:
                self._tell_failed(path, refused.code, str(refused))
            except OSError as wrong:
                self._tell_failed(path, "unreadable", f"{wrong.strerror or wrong}.")

    def _tell_stored(self, path: Path, stored: Stored) -> None:
        self.new += stored.new
        self.present += not stored.new
        self.length += int(stored.answer.get("length", 0))
        url = _named(str(stored.answer.get("full_url", "")), path)
        if self.as_json:
            told = {"file": str(path), "new": stored.new, **stored.answer, "full_url": url}
            typer.echo(json.dumps(told))
        else:
            typer.echo(f"{stored.answer['hash']}  {url}  {path}")

    def _tell_failed(self, path: Path, code: str, detail: str) -> None:
        self.failed += 1
        if self.as_json:
            typer.echo(json.dumps({"file": str(path), "error": code, "detail": detail}))
        else:
            say(f"{path}: {detail}", "red")

    def summary(self) -> None:
        """How it went, on stderr."""
        parts = [f"{self.new} stored", f"{self.present} already there", f"{self.failed} failed"]
        left = f", {len(self.jobs)} not tried" if self.jobs else ""
        say(f"{', '.join(parts)}{left}; {self.length / 1e6:.1f} MB.")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err,
        disable=not err.is_terminal,
        # Lines go above the bar where both are one terminal, and nowhere but stdout otherwise.
        redirect_stdout=out.is_terminal,
    )


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # told when its turn comes


def _named(url: str, path: Path) -> str:
    """The answer's URL with this file's name in it: any name shows the same picture."""
    before, _, last = url.rpartition("/")
    return f"{before}/{file_name(path.name, 'image')}.{last.rpartition('.')[2]}"
