"""How the command speaks: tables on stdout, sentences on stderr, never a trace."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Failure(Exception):  # noqa: N818  it is what the user is told, not a fault of the program
    """The command can't do what it was asked; the text says why and what to do."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status


class Commands(TyperGroup):
    """The group of commands; a Failure in any of them is its sentence and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            say(str(failure), "bold red")
            raise typer.Exit(failure.status) from None


def say(sentence: str, style: str = "") -> None:
    """One sentence on stderr, taken literally and never cut to the width of the terminal."""
    err.print(sentence, style=style or None, markup=False, soft_wrap=True)
