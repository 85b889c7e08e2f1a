"""`peercharge admin`: what the authority of a consortium decides, each decision before and after.

Each command asks the contract first whether it would take the change, sends it, and prints what is
different from before. The key of the environment (PEERCHARGE_KEYSTORE) signs.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trading.cli.deploy import band_of
from trading.cli.group import CommandGroup
from trading.cli.ledger import (
    AsJson,
    DeploymentFile,
    DryRun,
    NetworkAddress,
    address_of,
    changes,
    consortium_at,
    eur,
    eur_per_kwh,
    own_key,
    send,
    table,
)

if TYPE_CHECKING:
    from trading.chain.governance import Governance

LARGEST_SEATS = 96
LARGEST_LOT = 2**16 - 1
LARGEST_ACCOUNT = 2**32 - 1

admin = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Look at a consortium and change how it is governed, with the authority's key.",
)

OperatorAddress = Annotated[str, typer.Argument(metavar="OPERATOR", help="Its address.")]


def rows_of(governance: Governance) -> dict[str, str]:
    """Everything that the authority decides, as lines with a name each."""
    operators = governance.operators
    band = governance.band
    return {
        "authority": governance.authority,
        "authority offered to": governance.pending_authority or "none",
        **{f"operator on seat {one.seat}": one.address for one in operators},
        "quorum": f"{governance.quorum} of {len(operators)}",
        "price band": f"{eur_per_kwh(band.lowest_ueur_per_kwh)} to "
        f"{eur_per_kwh(band.highest_ueur_per_kwh)}",
        "largest spread": eur_per_kwh(governance.largest_spread_ueur_per_kwh),
        **{f"lot {lot}": f"account {account}" for lot, account in governance.lots.items()},
        **{f"aggregator {address}": "admitted" for address in governance.aggregators},
        "paused": "yes" if governance.is_paused else "no",
    }


@admin.command("show")
def show(deployment: DeploymentFile, network: NetworkAddress, as_json: AsJson = False) -> None:
    """Show everything that the authority decides, and where the consortium is."""
    from trading.chain import read_deployment
    from trading.chain.governance import governance_of

    with consortium_at(deployment, network) as consortium:
        found = governance_of(consortium)
        accounts, deposits = consortium.account_count(), consortium.tracked_deposits()
        where = f"{consortium.network.name}, chain {consortium.network.chain_id}"
    file = read_deployment(deployment)
    if as_json:
        content = {
            "deployment": file.model_dump(mode="json"),
            **asdict(found),
            "accounts": accounts,
            "deposits_ueur": deposits,
        }
        typer.echo(json.dumps(content, indent=2))
        return
    rows = {
        "name": file.name,
        "network": where,
        "contract": file.contract,
        "token": file.token,
        **rows_of(found),
        "accounts": str(accounts),
        "deposits": eur(deposits),
    }
    typer.echo(table(rows))


def _change(deployment: Path, network: str, function: str, *arguments: Any, dry_run: bool) -> None:
    """Send one change, and print what is different from before."""
    from trading.chain.governance import governance_of

    key = own_key("the authority")
    with consortium_at(deployment, network) as consortium:
        before = rows_of(governance_of(consortium))
        if send(consortium, function, *arguments, by=key, dry_run=dry_run) is None:
            return
        for line in changes(before, rows_of(governance_of(consortium))):
            typer.echo(line)


@admin.command("add-operator")
def add_operator(
    operator: OperatorAddress,
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Give an operator the lowest seat that is free."""
    address = address_of(operator, "operator")
    _change(deployment, network, "addOperator", address, dry_run=dry_run)


@admin.command("remove-operator")
def remove_operator(
    operator: OperatorAddress,
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Take an operator's seat; its votes in pending batches no longer count."""
    address = address_of(operator, "operator")
    _change(deployment, network, "removeOperator", address, dry_run=dry_run)


@admin.command("rotate-operator")
def rotate_operator(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The operator's address until now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its address from now on.")],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Replace an operator's key; the new one has a new seat."""
    addresses = address_of(old, "old"), address_of(new, "new")
    _change(deployment, network, "rotateOperator", *addresses, dry_run=dry_run)


@admin.command("set-quorum")
def set_quorum(
    quorum: Annotated[
        int, typer.Argument(metavar="N", min=1, max=LARGEST_SEATS, help="How many must confirm.")
    ],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Set how many operators must confirm a batch."""
    _change(deployment, network, "setQuorum", quorum, dry_run=dry_run)


@admin.command("set-band")
def set_band(
    band: Annotated[str, typer.Argument(metavar="LOW:HIGH", help="In EUR/kWh, such as 0:0.60.")],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Set the prices that a trade may have."""
    found = band_of(band)
    prices = found.lowest_ueur_per_kwh, found.highest_ueur_per_kwh
    _change(deployment, network, "setPriceBand", *prices, dry_run=dry_run)


@admin.command("set-spread")
def set_spread(
    spread: Annotated[str, typer.Argument(metavar="EUR/kWh", help="Such as 0.05.")],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Set the largest difference between what a buyer pays and a seller gets."""
    from trading.units import price_ueur_per_kwh

    price = price_ueur_per_kwh(spread, name="spread")
    _change(deployment, network, "setLargestSpread", price, dry_run=dry_run)


@admin.command("set-lot")
def set_lot(
    lot: Annotated[int, typer.Argument(metavar="LOT", min=0, max=LARGEST_LOT, help="Its number.")],
    account: Annotated[
        int,
        typer.Argument(
            metavar="ACCOUNT",
            min=0,
            max=LARGEST_ACCOUNT,
            help="The account that receives its spread; 0 closes the lot.",
        ),
    ],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Admit a lot and name its account, or close it."""
    _change(deployment, network, "setLot", lot, account, dry_run=dry_run)


@admin.command("set-aggregator")
def set_aggregator(
    aggregator: Annotated[
        str, typer.Argument(metavar="AGGREGATOR", help="Address of a lot's engine.")
    ],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="Dismiss instead of admit.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Admit an aggregator, which may submit the trades of those whose mandates name it."""
    address = address_of(aggregator, "aggregator")
    _change(deployment, network, "setAggregator", address, not dismiss, dry_run=dry_run)


@admin.command("pause")
def pause(deployment: DeploymentFile, network: NetworkAddress, dry_run: DryRun = False) -> None:
    """Stop deposits, submissions and new mandates; settling and withdrawing go on."""
    _change(deployment, network, "pause", dry_run=dry_run)


@admin.command("unpause")
def unpause(deployment: DeploymentFile, network: NetworkAddress, dry_run: DryRun = False) -> None:
    """End the pause."""
    _change(deployment, network, "unpause", dry_run=dry_run)


@admin.command("propose-authority")
def propose_authority(
    deployment: DeploymentFile,
    network: NetworkAddress,
    address: Annotated[
        str | None, typer.Argument(metavar="ADDRESS", help="The next authority.")
    ] = None,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Take an offer back instead.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Offer the authority to another key, which has to accept."""
    from trading.chain.contract import NOBODY
    from trading.errors import OptionError

    if (address is None) is not take_back:
        raise OptionError("address", address, "either an address or --take-back")
    proposed = NOBODY if address is None else address_of(address, "address")
    _change(deployment, network, "proposeAuthority", proposed, dry_run=dry_run)


@admin.command("accept-authority")
def accept_authority(
    deployment: DeploymentFile, network: NetworkAddress, dry_run: DryRun = False
) -> None:
    """Take the authority over that was offered to the key of the environment."""
    _change(deployment, network, "acceptAuthority", dry_run=dry_run)


@admin.command("mint")
def mint(
    to: Annotated[str, typer.Argument(metavar="ADDRESS", help="Who gets them.")],
    amount: Annotated[str, typer.Argument(metavar="EUR", help="How much, such as 100 or 12.50.")],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Create demonstration euro; a real settlement token has no such function."""
    from trading.units import amount_ueur

    address, ueur = address_of(to, "to"), amount_ueur(amount)
    key = own_key("the authority")
    with consortium_at(deployment, network) as consortium:
        token = consortium.token
        token.must_be_demonstration()
        before = eur(token.balance_of(address))
        if send(token, "mint", address, ueur, by=key, dry_run=dry_run) is not None:
            typer.echo(f"tokens of {address}: {before} -> {eur(token.balance_of(address))}")
