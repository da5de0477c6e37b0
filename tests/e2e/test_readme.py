"""The README's Kubernetes part and what docs/kubernetes.md adds, word for word, as a newcomer would
follow them.

Two things are lent to the newcomer: the images that the two `docker build` lines make, under the
names that these lines give them, and the address of the host photos.example.com.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chart.rendering import ROOT
from e2e.load import door
from e2e.release import Release
from needs import need
from pictures import noise

pytestmark = [pytest.mark.cluster, pytest.mark.first, pytest.mark.timeout(600)]

HOST = "photos.example.com"


def commands(document: str, heading: str) -> list[str]:
    """Of one part of a document: what stands after `$ `, with its continuations."""
    part = (ROOT / document).read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found: list[str] = []
    for block in re.findall(r"```console\n(.*?)```", part, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(line.removeprefix("$ "))
            else:
                found[-1] += f"\n{line}"
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A checkout with a photo in it."""
    need(os.environ.get("KUBECONFIG"), "a Kubernetes cluster: `make e2e` makes one")
    for name in ("charts", "manifests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "photo.jpg").write_bytes(noise(640, 480))
    (tmp_path / ".curlrc").write_text(f"resolve = {HOST}:80:{urlsplit(door()).hostname}\n")
    release = Release("photos")
    try:
        yield tmp_path
    finally:
        release.helm("uninstall", "apomixis")
        release.kubectl("delete", "namespace", "photos", "--wait=false")


def test_the_documents_word_for_word(home: Path) -> None:
    todo = commands("README.md", "On Kubernetes")
    more = commands("docs/kubernetes.md", "Install")
    assert len(more) == 3
    builds = [line for line in todo if line.startswith("docker build")]
    assert [line.split()[3] for line in builds] == ["Dockerfile.node", "Dockerfile.operator"]
    release = Release("photos")
    for command in todo:
        if command in builds:
            continue
        if command.startswith("curl"):
            release.eventually(partial(uploads, command, home), "an upload")
        elif command.endswith("--watch"):
            assert "photos" in sh(f"timeout 5 {command} || test $? = 124", home)
        else:
            sh(command, home)
        if "scale" in command:
            replicas = int(command.rpartition("=")[2])
            release.eventually(lambda: release.ring().epoch > 0, "a ring")
            if replicas == 3:
                release.wait_settled(3)
    assert len(release.ring().members) == 3
    for command in more:
        sh(command, home)


def uploads(command: str, home: Path) -> bool:
    return '"hash"' in sh(command, home)


def sh(command: str, home: Path) -> str:
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=home,
        env={**os.environ, "CURL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=330,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
