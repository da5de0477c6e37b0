"""`make bench`: everything in one run, as Markdown on the screen and JSON in a file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench import ring, serving
from bench.table import machine, markdown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", type=Path, help="write the rows there too")
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="where peers are kept")
    chosen = parser.parse_args()
    found = ring.rows(quick=chosen.quick) + serving.rows(quick=chosen.quick, cache=chosen.cache)
    sys.stdout.write(f"Measured {machine()}.\n\n{markdown(found)}\n")
    if chosen.json:
        chosen.json.write_text(json.dumps([row.to_json() for row in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
