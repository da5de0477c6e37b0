"""Modules stay under 300 lines: if one grows, a concept is hiding in it."""

import sys
from pathlib import Path

LIMIT = 300
ROOT = Path(__file__).parent.parent


def main() -> int:
    sources = [
        p for top in ("ring", "node", "operator", "tests") for p in (ROOT / top).rglob("*.py")
    ]
    too_long = [(p, n) for p in sources if (n := len(p.read_text().splitlines())) >= LIMIT]
    for path, length in too_long:
        print(f"{path.relative_to(ROOT)}: {length} lines; split it, {LIMIT} is the limit")
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
