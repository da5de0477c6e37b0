"""A cluster that is known by one of its nodes and its secret, as a Job in Kubernetes knows it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from apomixis_node.cli.folder import Entry, Folder
from apomixis_node.cli.introduction import Shown
from apomixis_node.cli.terminal import Failure
from apomixis_ring.model import RingError
from apomixis_ring.reading import loads

if TYPE_CHECKING:
    from apomixis_ring.model import Ring

TIMEOUT_S = 5.0
ATTEMPTS = 6


class Remote:
    """Answers as a Folder does, from the ring of a node."""

    def __init__(self, node: str, secret_file: Path) -> None:
        self._node, self._secret_file = node.rstrip("/"), secret_file

    def secret(self) -> str:
        """What members show each other, as it is now. Raises Failure."""
        try:
            lines = self._secret_file.read_text("utf-8").split()
        except OSError as wrong:
            raise Failure(f"{self._secret_file} can't be read: {wrong.strerror}.") from None
        if not lines:
            raise Failure(f"{self._secret_file} holds no secret.")
        return lines[0]

    def ring(self) -> Ring:
        """The ring of that node, which may be any. Raises Failure when none answers for long."""
        why: object = ""
        for _ in range(ATTEMPTS):
            try:
                answer = httpx.get(
                    f"{self._node}/ring",
                    auth=Shown(self.secret),
                    timeout=TIMEOUT_S,
                    trust_env=False,
                )
                return loads(answer.raise_for_status().text)
            except (httpx.HTTPError, RingError) as wrong:
                why = wrong
        raise Failure(f"{self._node} does not give its ring: {why}")

    def entries(self) -> tuple[Entry, ...]:
        """All members of the ring."""
        members = self.ring().members
        return tuple(Entry(m.name, "", m.url, m.zone, None, "") for m in members)


def source(data: Path | None, node: str | None) -> Folder | Remote:
    """The cluster that a command is about. Raises Failure."""
    if data is not None:
        return Folder(data.absolute())
    secret_file = os.environ.get("APOMIXIS_SECRET_FILE")
    if node is None or not secret_file:
        raise Failure("Say --data FOLDER, or --node URL with APOMIXIS_SECRET_FILE set.")
    found = Remote(node, Path(secret_file))
    found.secret()  # or it fails here, with a sentence
    return found
