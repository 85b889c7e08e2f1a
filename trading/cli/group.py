"""Groups of commands that remember which command runs, so that a message can name its options."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_RUNNING = "peercharge.running"


class CommandGroup(TyperGroup):
    """A group, nested or not, of which `running` tells the command that was chosen last."""

    # typer keeps the classes that this is declared with to itself.
    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """Find the command, and leave word of it with the context that all groups share."""
        found = super().resolve_command(ctx, args)
        ctx.meta[_RUNNING] = found[1]
        return found


def running(ctx: typer.Context) -> TyperCommand | None:
    """The command that was chosen, if any was."""
    command = ctx.meta.get(_RUNNING)
    return command if isinstance(command, TyperCommand) else None
