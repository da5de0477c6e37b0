"""What a run leaves in a folder: the table as Markdown and JSON, and pictures of it.

A run of one part takes the place of that part's rows and leaves the others; each row says when and
where it was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import charts, targets
from bench.table import Row, markdown

TABLE = "table.json"


def written(rows: Sequence[Row], lines: Sequence[str]) -> str:
    """The table below what must be known to read it."""
    judged = targets.markdown(targets.judged(rows))
    return "\n".join(lines) + f"\n\n{markdown(rows)}\n\n{judged}\n"


def keep(
    folder: Path,
    found: Sequence[Row],
    facts: str,
    lines: Sequence[str],
    about: Mapping[str, Any],
    *,
    part: bool,
) -> None:
    """Write it all; of a part, among the rows that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TABLE
    there = json.loads(path.read_text())["rows"] if part and path.exists() else []
    rows = _merged(there, [{**row.to_json(), "measured": facts} for row in found])
    all_rows = [Row(**{k: v for k, v in row.items() if k != "measured"}) for row in rows]
    told = {**about, "rows": rows, "targets": targets.judged(all_rows)}
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    above = [f"- {line}" for line in (*_measured(rows), *lines)]
    text = written(all_rows, above)
    (folder / "table.md").write_text(f"# The table of `make bench`\n\n{text}")
    charts.draw(all_rows, facts, folder)


def _merged(there: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The new rows where the old ones of the same things were."""
    named = {row["what"] for row in new}
    at = next((i for i, row in enumerate(there) if row["what"] in named), len(there))
    before, after = there[:at], [row for row in there[at:] if row["what"] not in named]
    return [*before, *new, *after]


def _measured(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """When and where, with what begins the names of what was measured then."""
    parts: dict[str, dict[str, None]] = {}
    for row in rows:
        parts.setdefault(row["measured"], {})[row["what"].partition(",")[0].split(" of ")[0]] = None
    return [f"Measured {facts}: {', '.join(names)}." for facts, names in parts.items()]
