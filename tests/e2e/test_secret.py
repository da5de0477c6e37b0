"""The members' secret changes under a cluster that is being read and written: as it should, and put
back from an older copy by somebody.

Takes minutes: Kubernetes brings a changed Secret to pods when it likes to, to each at another time.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from apomixis_operator.resources.pod import SECRET
from e2e.load import Load
from e2e.release import Body, Release, installed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SLOW_S = 480


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    with installed("e2e-secret") as release:
        release.cluster()
        release.wait_settled(3)
        yield release


@pytest.fixture(scope="module")
def load(release: Release) -> Iterator[Load]:
    with Load(release) as load:
        yield load


@pytest.fixture(scope="module")
def kept(release: Release) -> list[Body]:
    """Copies of the Secret, oldest first."""
    return [copy(release)]


def copy(release: Release) -> Body:
    secret = release.get("secret/photos-internal")
    for life in ("uid", "resourceVersion", "creationTimestamp"):
        secret["metadata"].pop(life)
    return secret


def keys(secret: Body) -> list[str]:
    return base64.b64decode(secret["data"]["keys"]).decode().split()


def test_it_is_rotated(release: Release, load: Load, kept: list[Body]) -> None:
    pods = release.uids()
    release.annotate(rotate_secret="monday")

    def is_rotated() -> bool:
        now = keys(release.get("secret/photos-internal"))
        return len(now) == 1 and now != keys(kept[0])

    release.eventually(is_rotated, "one new key", seconds=SLOW_S)
    load.wait()
    release.wait_settled(3)
    assert release.uids() == pods
    assert "SecretRotates" in release.events()
    load.assert_no_read_failed()
    load.assert_no_write_failed()


@pytest.mark.parametrize("running", [True, False], ids=["operator up", "operator down"])
def test_an_older_copy_is_put_back(
    release: Release, load: Load, kept: list[Body], running: bool
) -> None:
    """Until it has reached every pod, members refuse each other and uploads; nothing is lost."""
    release.annotate(rotate_secret="")
    pods, older = release.uids(), kept[-1]
    kept.append(copy(release))
    assert keys(older) != keys(kept[-1])
    if not running:
        release.operator(running=False)
    release.apply(older)
    release.eventually(lambda: read_by_all(release, older), "it to reach every pod")
    release.operator(running=True)
    release.eventually(lambda: load.upload(), "uploads again")
    release.wait_settled(3)
    load.failed_writes.clear()
    load.failed_reads.clear()
    load.wait()
    assert release.uids() == pods
    load.assert_no_read_failed()
    load.assert_no_write_failed()
    load.assert_all_there()


def read_by_all(release: Release, secret: Body) -> bool:
    show = ("/opt/apomixis/bin/python3", "-c", f"print(open('{SECRET}/keys').read())")
    found = [release.kubectl("exec", pod, "-c=node", "--", *show).split() for pod in release.pods()]
    return found == [keys(secret)] * 3
