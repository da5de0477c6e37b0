"""Short histories of real faults; `make faults` runs longer ones, and as many as one likes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faults.history import History

SECONDS = float(os.environ.get("FAULTS_SECONDS", "12"))
SEEDS = range(
    int(os.environ.get("FAULTS_FIRST", "1")),
    int(os.environ.get("FAULTS_FIRST", "1")) + int(os.environ.get("FAULTS_SEEDS", "2")),
)


@pytest.mark.process
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_promised_stands(seed: int, tmp_path: Path) -> None:
    History(seed, SECONDS, tmp_path).run()
