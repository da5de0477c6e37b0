"""One history, in the network namespace that this process was started in: SEED SECONDS FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from faults.history import History
from faults.weather import Weather

if __name__ == "__main__":
    seed, seconds, folder = sys.argv[1:]
    try:
        History(int(seed), float(seconds), Path(folder), Weather(Path(folder))).run()
    except AssertionError as wrong:
        sys.exit(str(wrong))
