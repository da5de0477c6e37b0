"""The table of fields in docs/kubernetes.md, made from the resource: `python -m chart.fields`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CRD = ROOT / "charts/apomixis-crds/templates/apomixisclusters.yaml"
FIELDS_FILE = ROOT / "docs/kubernetes.md"
BEGIN, END = "<!-- fields -->\n", "<!-- end of fields -->\n"


def crd() -> dict[str, Any]:
    """The resource's definition."""
    found: dict[str, Any] = yaml.safe_load(CRD.read_text())
    return found


def schema() -> dict[str, Any]:
    """What an object of it may hold."""
    found: dict[str, Any] = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def table(whole: dict[str, Any]) -> str:
    """Markdown, one line a field."""
    spec = whole["properties"]["spec"]
    lines = ["| field | default | meaning |", "|---|---|---|", *_rows(spec, "")]
    return "\n".join(lines) + "\n"


def _rows(part: dict[str, Any], prefix: str) -> Iterator[str]:
    required = set(part.get("required", ()))
    for name, field in part["properties"].items():
        path = f"{prefix}{name}"
        if "properties" in field:
            yield from _rows(field, f"{path}.")
            continue
        default = "required" if name in required and "default" not in field else _default(field)
        meaning = field.get("description", "").replace("|", "\\|")
        yield f"| `{path}` | {default} | {meaning}{_choices(field)} |"


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _choices(field: dict[str, Any]) -> str:
    choices = field.get("enum")
    if choices:
        return f" One of {', '.join(map(str, choices))}."
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f" From {low} to {high}."
    return ""


def main() -> None:
    """Put the table into the document."""
    text = FIELDS_FILE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    FIELDS_FILE.write_text(head + BEGIN + table(schema()) + END + tail)


if __name__ == "__main__":
    main()
