"""What commands that speak to a running network share: where it is, who signs, what was sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trading.chain import Consortium, Key, Network, Receipt
    from trading.chain.contract import Contract
    from trading.chain.sender import Call

DEPLOYMENT_VARIABLE = "PEERCHARGE_DEPLOYMENT"
NETWORK_VARIABLE = "PEERCHARGE_NETWORK"

DeploymentFile = Annotated[
    Path,
    typer.Option(
        "--deployment",
        metavar="FILE",
        envvar=DEPLOYMENT_VARIABLE,
        help="The deployments file, as `peercharge deploy` writes it.",
    ),
]
NetworkAddress = Annotated[
    str,
    typer.Option(
        "--network",
        metavar="URL[,URL...]",
        envvar=NETWORK_VARIABLE,
        help="Address of a node that runs: http://..., https://... or ipc:PATH.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Show what would be sent and whether it would be taken; send nothing."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_DURATION = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


@contextmanager
def running_network(setting: str, *, chain_id: int | None = None) -> Iterator[Network]:
    """Open a network that outlives this command.

    Raises:
        OptionError: it would be gone when the command ends, or is none.
        LedgerError: it cannot be reached, or is another chain.
    """
    from trading.chain import open_network
    from trading.chain.networks import NETWORKS
    from trading.errors import OptionError

    if setting in NETWORKS:
        expected = "the address of a node that runs; this chain would be gone with the command"
        raise OptionError("network", setting, expected)
    with open_network(setting, chain_id=chain_id) as network:
        yield network


@contextmanager
def consortium_at(deployment: Path, setting: str) -> Iterator[Consortium]:
    """Open the consortium that a deployments file names, on a network that runs.

    Raises:
        InputError: file or network cannot be used.
        LedgerError: the network cannot be reached, or is not the one that the file names.
    """
    from trading.chain import open_deployment, read_deployment

    found = read_deployment(deployment)
    with running_network(setting, chain_id=found.chain_id) as network:
        yield open_deployment(network, found)


def own_key(holder: str) -> Key:
    """The key that the environment names.

    Args:
        holder: whose key it is to be, for the message.

    Raises:
        OptionError: the environment names none, or it cannot be used.
    """
    from trading.chain import Key
    from trading.chain.keys import KEYSTORE_VARIABLE, PASSWORD_FILE_VARIABLE
    from trading.errors import OptionError

    key = Key.from_environment(name=holder)
    if key is None:
        expected = f"in the environment, the keystore file of {holder}, and its password in "
        raise OptionError(KEYSTORE_VARIABLE, "", expected + PASSWORD_FILE_VARIABLE)
    return key


def send(
    contract: Contract, function: str, *arguments: Any, by: Key, dry_run: bool
) -> Receipt | None:
    """Ask whether the contract takes a call, then send it; None when it was not to be sent.

    Raises:
        LedgerRevertedError: the contract refuses it; nothing was sent.
        LedgerError: the network cannot be reached or refuses it.
    """
    call = contract.call(function, *arguments, by=by)
    return send_call(contract, call, told=arguments, dry_run=dry_run)


def send_call(
    contract: Contract, call: Call, *, told: tuple[Any, ...], dry_run: bool
) -> Receipt | None:
    """As `send`, for a call that is built already; `told` are its arguments, to be shown."""
    from trading.chain.sender import rehearse

    rehearse(contract.network, call)
    if dry_run:
        shown = ", ".join(map(_plain, told))
        typer.echo(
            f"would send {call.function}({shown}) to {call.to} from {call.key.address}, "
            f"at most {call.gas} gas"
        )
        return None
    return contract.send_all([call])[0]


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)


def address_of(text: str, name: str) -> str:
    """An address as typed, with its checksum.

    Raises:
        OptionError: not an address, or one whose checksum shows a slip of the pen.
    """
    from trading.chain.fields import checked_address
    from trading.errors import OptionError

    try:
        return checked_address(text)
    except ValueError as error:
        raise OptionError(name, text, str(error)) from None


def duration_s(text: str, name: str) -> int:
    """Seconds of `90s`, `15min`, `12h` or `30d`.

    Raises:
        OptionError: not such a text.

    >>> duration_s("30d", "valid_for")
    2592000
    """
    from trading.errors import OptionError

    found = re.fullmatch(r"([1-9]\d{0,6})(s|min|h|d)", text.strip())
    if found is None:
        raise OptionError(name, text, "a time such as 90s, 15min, 12h or 30d")
    return int(found[1]) * _DURATION[found[2]]


def eur_per_kwh(price_ueur_per_kwh: int) -> str:
    """A price as people read it, every digit of it.

    >>> eur_per_kwh(600_000)
    '0.60 EUR/kWh'
    """
    return f"{_decimal(price_ueur_per_kwh)} EUR/kWh"


def eur(amount_ueur: int) -> str:
    """An amount as people read it, every digit of it.

    >>> eur(12_500_000)
    '12.50 EUR'
    """
    return f"{_decimal(amount_ueur)} EUR"


def _decimal(micro: int) -> str:
    whole, part = divmod(micro, 1_000_000)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits}"


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """A line for each name whose text differs, in the order of names: before -> after."""
    names = list(dict.fromkeys([*before, *after]))
    lines = [
        f"{name}: {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in names
        if before.get(name) != after.get(name)
    ]
    return lines or ["nothing is different from before"]


def table(rows: dict[str, str]) -> str:
    """Names and texts in two columns."""
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows.items())
