"""What a test needs from the machine: missing, it skips with one line, or fails in CI."""

from __future__ import annotations

import os

import pytest


def need(condition: object, missing: str) -> None:
    """Skip unless `condition`; in CI, or with APOMIXIS_REQUIRE_KUBE=1, a skip is a failure."""
    if condition:
        return
    if os.environ.get("CI") == "true" or os.environ.get("APOMIXIS_REQUIRE_KUBE") == "1":
        pytest.fail(f"This machine must be able to run this test: {missing}")
    pytest.skip(missing)
