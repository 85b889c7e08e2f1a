"""The command `peercharge`: one file a command, and one place that turns errors into exit codes.

Exit codes: 0 done, 2 bad input or usage (one message on stderr), 1 any other failure. Results go to
stdout, all else to stderr. A command imports what it needs when it runs, so that help is quick.
"""

from __future__ import annotations

import re
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from trading.cli.account import account
from trading.cli.admin import admin
from trading.cli.audit import audit_ledger
from trading.cli.case_study import case_study
from trading.cli.compare import compare
from trading.cli.database import database
from trading.cli.deploy import deploy
from trading.cli.group import CommandGroup, running
from trading.cli.help import LateHelp
from trading.cli.live import live
from trading.cli.match import match_fleet
from trading.cli.network import network
from trading.cli.operator import operator
from trading.cli.run import run
from trading.cli.simulate import demo, simulate
from trading.cli.status import status
from trading.cli.study import study
from trading.cli.sweep import sweep
from trading.cli.web import serve
from trading.errors import InputError, OptionError, PeerchargeError

__all__ = ["app", "main"]

EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2


class _ExitCodes(CommandGroup):
    """Runs a command; an error of ours, or of the file system, becomes a message and a code."""

    # typer keeps the classes that this is declared with to itself.
    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (PeerchargeError, OSError) as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            else:
                print(f"peercharge: {_told(error, running(ctx))}", file=sys.stderr)
            is_input = isinstance(error, InputError)
            raise typer.Exit(EXIT_BAD_INPUT if is_input else EXIT_FAILURE) from None


_ARGUMENT = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")
"""What in a sentence can only be the name of an argument: words joined by underscores."""


def _told(error: Exception, command: TyperCommand | None) -> str:
    """The message of an error, in which options of `command` are named as they are typed.

    Libraries name their arguments (`buyer_threshold`), a user has typed `--buyer-threshold`. A
    name that is no option of the command stays as it is.
    """
    if not isinstance(error, OptionError) or command is None:
        return str(error)
    flags = _flags_of(command)
    name = flags.get(error.name, error.name)
    expected = _ARGUMENT.sub(lambda found: flags.get(found[0], found[0]), error.expected)
    return f"{name}={error.value!r}: expected {expected}"


def _flags_of(command: TyperCommand) -> dict[str, str]:
    """Each option's flag by its own name as an argument, and by that of the command's parameter."""
    flags: dict[str, str] = {}
    for parameter in command.params:
        for flag in parameter.opts:
            if flag.startswith("--"):
                flags[flag.removeprefix("--").replace("-", "_")] = flag
                flags[str(parameter.name)] = flag
    return flags


app = typer.Typer(
    name="peercharge",
    cls=_ExitCodes,
    no_args_is_help=True,
    # A traceback of ours is for a developer; one that prints locals could print a key.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        typer.echo(f"peercharge {version('peercharge')}")
    except PackageNotFoundError:
        typer.echo("peercharge, run from a checkout that is not installed")
    raise typer.Exit


@app.callback()
def _global_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Peer-to-peer energy trading among electric vehicles that share a parking lot."""


TRADE = "Trade and study"
CONSORTIUM = "Run a consortium"
CARE = "Look after it"

app.command("demo", cls=LateHelp, rich_help_panel=TRADE)(demo)
app.command("live", cls=LateHelp, rich_help_panel=TRADE)(live)
app.command("simulate", cls=LateHelp, rich_help_panel=TRADE)(simulate)
app.command("case-study", cls=LateHelp, rich_help_panel=TRADE)(case_study)
app.command("match", cls=LateHelp, rich_help_panel=TRADE)(match_fleet)
app.command("compare", cls=LateHelp, rich_help_panel=TRADE)(compare)
app.command("sweep", cls=LateHelp, rich_help_panel=TRADE)(sweep)
app.command("study", cls=LateHelp, rich_help_panel=TRADE)(study)
app.add_typer(network, name="network", rich_help_panel=CONSORTIUM)
app.command("deploy", rich_help_panel=CONSORTIUM)(deploy)
app.add_typer(admin, name="admin", rich_help_panel=CONSORTIUM)
app.add_typer(account, name="account", rich_help_panel=CONSORTIUM)
app.command("run", cls=LateHelp, rich_help_panel=CONSORTIUM)(run)
app.command("operator", cls=LateHelp, rich_help_panel=CONSORTIUM)(operator)
app.command("serve", rich_help_panel=CONSORTIUM)(serve)
app.command("status", rich_help_panel=CARE)(status)
app.command("audit", rich_help_panel=CARE)(audit_ledger)
app.add_typer(database, rich_help_panel=CARE)


def main() -> None:
    """Entry point of the command `peercharge`."""
    app(prog_name="peercharge")
