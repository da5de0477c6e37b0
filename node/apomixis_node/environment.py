"""Reading the settings from the environment: every wrong or misspelt one is said in a sentence."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from apomixis_node.settings import PREFIX, Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable


def load() -> Settings:
    """Read the environment.

    Raises SettingsError, one sentence a line, each naming the variable and what to do.
    """
    wrong = misspelt(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        wrong += [_sentence(e["loc"], e["msg"], e["type"]) for e in error.errors()]
    if wrong:
        raise SettingsError("\n".join(wrong))
    return settings


def variable(field: str) -> str:
    """The environment variable of a field: `max_bytes` is APOMIXIS_MAX_BYTES."""
    return PREFIX + field.upper()


def misspelt(names: Iterable[str]) -> list[str]:
    """One sentence for each environment variable that is nearly, but not quite, a setting's.

    Only near misses are errors: Kubernetes gives containers variables of its own for a Service
    that is called `apomixis`, and the command has some too.
    """
    known = [variable(field) for field in Settings.model_fields]
    unknown = [n for n in names if n.startswith(PREFIX) and n not in known]
    near = [(n, difflib.get_close_matches(n, known, n=1, cutoff=0.92)) for n in unknown]
    return [f"{n} is not a setting; did you mean {match[0]}?" for n, match in near if match]


def _sentence(location: tuple[int | str, ...], message: str, kind: str) -> str:
    text = message.removeprefix("Value error, ")
    if not location:
        return f"{text}."
    name, field = variable(str(location[0])), Settings.model_fields[str(location[0])]
    if kind == "missing":
        return f"{name} must be set: {field.description}".split(". ", 1)[0].rstrip(".") + "."
    return f"{name}: {text}."
