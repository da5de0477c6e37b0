"""All end-to-end tests, on the cluster of $KUBECONFIG: what needs a new cluster, what may run side
by side, and at last what halts machines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

SIDE_BY_SIDE = 3
LONGEST = ("test_secret.py", "test_ends.py", "test_rest.py")
"""They begin: else one of them, which mostly waits, runs alone at the end."""
STAGES = (
    ("-m", "cluster and first"),
    (
        *("-m", "cluster and not first and not alone"),
        *("-n", str(SIDE_BY_SIDE), "--dist", "loadfile", "--no-loadscope-reorder"),
    ),
    ("-m", "cluster and alone"),
)


def main() -> int:
    """The exit status of the first stage that fails; later ones run all the same."""
    files = Path(__file__).parent.glob("test_*.py")
    ordered = sorted(files, key=lambda file: (file.name not in LONGEST, file.name))
    common = [*map(str, ordered), "--durations=15", *sys.argv[1:]]
    if not os.environ.get("APOMIXIS_KUBE_MACHINES"):
        print("==> On a cluster of yours nothing is halted, and no audit log is read")
    codes = [int(pytest.main([*common, *stage])) for stage in STAGES]
    nothing = int(pytest.ExitCode.NO_TESTS_COLLECTED)
    return next((code for code in codes if code not in (0, nothing)), 0)


if __name__ == "__main__":
    sys.exit(main())
