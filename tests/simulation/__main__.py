"""`make simulate SEEDS=10000 [FIRST=0]`: as many histories as one likes, failing ones printed."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from rich.progress import track

from simulation.history import run


def main() -> int:
    """The exit status: 1 if an invariant broke."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    failures = 0
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = pool.map(run, seeds, chunksize=20)
        for failure in track(results, "histories", total=len(seeds)):
            if failure is not None:
                failures += 1
                sys.stdout.write(f"\n{failure}\n")
    sys.stdout.write(f"{len(seeds)} histories, {failures} with a broken invariant.\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
