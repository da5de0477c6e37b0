"""A cluster that is left alone: the operator writes nothing at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from e2e.release import Release, installed
from kube import control
from needs import need

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

REST_S = 120


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    need(os.environ.get("APOMIXIS_KUBE_MACHINES"), "an audit log: `make e2e` without KUBECONFIG")
    with installed("e2e-rest") as release:
        release.cluster()
        release.wait_settled(3)
        yield release


def writes(release: Release) -> list[str]:
    user = f"system:serviceaccount:{release.space}:apomixis-operator"
    return [
        f"{write['verb']} {write['requestURI']}"
        for write in control.writes()
        if write["user"]["username"] == user
    ]


def test_at_rest_nothing_is_written(release: Release) -> None:
    assert len(writes(release)) > 10, "the audit log shows what it wrote to make the cluster"
    time.sleep(30)
    before = len(writes(release))
    time.sleep(REST_S)
    assert writes(release)[before:] == []
