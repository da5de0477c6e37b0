"""`apomixis configuration`: the settings table as Markdown, which is `docs/configuration.md`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer
from pydantic import ByteSize
from pydantic_core import PydanticUndefined

from apomixis_node.environment import variable
from apomixis_node.settings import Settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

# The first setting of each section, in the order of the table.
SECTIONS = {
    "name": "Who and where",
    "upload_keys": "Uploads",
    "sizes": "Renditions",
    "workers": "Render workers",
    "connect_timeout": "Peers",
    "tombstone_days": "The life of a cluster",
    "log_level": "Logs",
}
INTRODUCTION = """# Configuration

<!-- Generated from the settings table: `apomixis configuration > docs/configuration.md` -->

A node is told everything by environment variables. A wrong value, or a variable that is nearly
one of these, stops the start with one sentence each; an empty one counts as unset. Byte sizes take
units (`50MiB`, `2GB`), lists are separated by commas.

Files of keys and secrets are read again when they change. While such a file can't be read, what
was last read stays valid; a key is revoked by taking it out of its file or folder.

`apomixis up` sets names, addresses, folders and the secret of its nodes, and hands every other
variable on: `APOMIXIS_MAX_BYTES=5MiB apomixis up …`.
"""


def configuration() -> None:
    """Print the reference of all settings, as Markdown."""
    typer.echo(markdown(), nl=False)


def markdown() -> str:
    """The whole of `docs/configuration.md`."""
    lines = [INTRODUCTION]
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            heading = "| variable | default | meaning |\n|---|---|---|"
            lines.append(f"\n## {SECTIONS[name]}\n\n{heading}\n")
        lines.append(f"| `{variable(name)}` | {_default(field)} | {_meaning(field)} |\n")
    return "".join(lines)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "must be set"
    if field.default in (None, "", ()):
        return "unset"
    return f"`{_text(field.default)}`"


def _text(value: object) -> str:
    if isinstance(value, ByteSize):
        return re.sub(r"\.0(?=[A-Z])", "", value.human_readable())
    if isinstance(value, tuple):
        return ",".join(str(word) for word in value)
    return str(value)


def _meaning(field: FieldInfo) -> str:
    bounds = {type(m).__name__: m for m in field.metadata}
    low, above, high = bounds.get("Ge"), bounds.get("Gt"), bounds.get("Le")
    least = f"from {low.ge}" if low else f"more than {above.gt}" if above else ""
    most = f"to {high.le}" if high else ""
    limits = " ".join(part for part in (least, most) if part)
    return f"{field.description}{f' ({limits})' if limits else ''}"
