"""Short histories of real faults; `make faults` runs longer ones, and as many as one likes.

With root each has a network of its own, in which links are cut, and a volume that is filled.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.history import History
from faults.network import INSIDE, missing

SECONDS = float(os.environ.get("FAULTS_SECONDS", "12"))
SEEDS = range(
    int(os.environ.get("FAULTS_FIRST", "1")),
    int(os.environ.get("FAULTS_FIRST", "1")) + int(os.environ.get("FAULTS_SEEDS", "2")),
)
TESTS = Path(__file__).parents[1]


@pytest.mark.process
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_promised_stands(seed: int, tmp_path: Path) -> None:
    if lacking := missing():
        assert not os.environ.get("CI"), lacking
        print(f"no cut networks and full volumes here: {lacking}")
        History(seed, SECONDS, tmp_path).run()
        return
    done = subprocess.run(
        [*INSIDE, sys.executable, "-m", "faults", str(seed), str(SECONDS), str(tmp_path)],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
