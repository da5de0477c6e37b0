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


def table(schema: dict[str, Any]) -> str:
    """Markdown, one line a field."""
    spec = schema["properties"]["spec"]
    lines = ["| field | default | meaning |", "|---|---|---|", *_rows(spec, "")]
    return "\n".join(lines) + "\n"


def _rows(schema: dict[str, Any], prefix: str) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
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
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    text = FIELDS_FILE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    FIELDS_FILE.write_text(head + BEGIN + table(schema) + END + tail)


if __name__ == "__main__":
    main()
