"""`peercharge deploy`: a consortium contract on a network that runs, and the file that names it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading.cli.ledger import (
    DryRun,
    NetworkAddress,
    address_of,
    eur_per_kwh,
    own_key,
    running_network,
)

if TYPE_CHECKING:
    from trading.chain import PriceBand


def band_of(text: str) -> PriceBand:
    """A price band as typed, `LOWEST:HIGHEST` in EUR/kWh.

    Raises:
        OptionError: not two prices, or the first is above the second.

    >>> band_of("0:0.60")
    PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=600000)
    """
    from trading.chain import PriceBand
    from trading.errors import OptionError
    from trading.units import price_ueur_per_kwh

    lowest, is_given, highest = text.partition(":")
    if not is_given:
        raise OptionError("band", text, "LOWEST:HIGHEST in EUR/kWh, such as 0:0.60")
    band = PriceBand(
        lowest_ueur_per_kwh=price_ueur_per_kwh(lowest, name="band"),
        highest_ueur_per_kwh=price_ueur_per_kwh(highest, name="band"),
    )
    if band.lowest_ueur_per_kwh > band.highest_ueur_per_kwh:
        raise OptionError("band", text, "LOWEST:HIGHEST with the lowest not above the highest")
    return band


def operators_of(text: str) -> list[str]:
    """Addresses separated by commas, or in a file with one a line; `#` begins a comment.

    Raises:
        OptionError: none, one that is no address, or one given twice.
    """
    from trading.errors import OptionError

    if Path(text).is_file():
        lines = Path(text).read_text(encoding="utf-8", errors="replace").splitlines()
        parts = [line.split("#")[0].strip() for line in lines]
    else:
        parts = [part.strip() for part in text.split(",")]
    found = [address_of(part, "operators") for part in parts if part]
    if not found:
        raise OptionError("operators", text, "at least one address, or a file with one a line")
    for address in found:
        if found.count(address) > 1:
            raise OptionError("operators", address, "each address once")
    return found


def deploy(
    network: NetworkAddress,
    operators: Annotated[
        str,
        typer.Option(
            metavar="FILE|ADDRESS,...",
            help="The operators in the order of their seats: addresses separated by commas, or a "
            "file with one a line.",
        ),
    ],
    quorum: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many of them must confirm a batch.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The deployments file; it must not exist yet.")
    ],
    band: Annotated[
        str, typer.Option(metavar="LOW:HIGH", help="Prices that a trade may have, in EUR/kWh.")
    ] = "0:0.60",
    spread: Annotated[
        str,
        typer.Option(
            metavar="EUR/kWh", help="Largest difference between what buyer pays and seller gets."
        ),
    ] = "0.05",
    name: Annotated[str, typer.Option(help="What its members call it.")] = "peercharge",
    token: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Settlement token with six decimals. Without it a demonstration euro, which the "
            "authority mints.",
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Deploy a consortium, and write down where it is.

    The key of the environment (PEERCHARGE_KEYSTORE) becomes the authority.
    """
    from trading.chain import Deployment, write_deployment
    from trading.chain import deploy as deploy_consortium
    from trading.chain.deployment import founding_call
    from trading.chain.sender import rehearse
    from trading.errors import OptionError
    from trading.files import must_not_exist
    from trading.units import price_ueur_per_kwh

    seated = operators_of(operators)
    if quorum > len(seated):
        raise OptionError(
            "quorum", quorum, f"at most as many as there are operators, {len(seated)}"
        )
    if not 1 <= len(name) <= 100:
        raise OptionError("name", name, "1 to 100 characters")
    prices = band_of(band)
    largest_spread = price_ueur_per_kwh(spread, name="spread")
    settled_in = None if token is None else address_of(token, "token")
    must_not_exist(out)
    authority = own_key("the authority")
    with running_network(network) as opened:
        lines = {
            "network": f"{opened.name}, chain {opened.chain_id}",
            "authority": authority.address,
            **{f"operator on seat {n}": address for n, address in enumerate(seated)},
            "quorum": f"{quorum} of {len(seated)}",
            "price band": f"{eur_per_kwh(prices.lowest_ueur_per_kwh)} to "
            f"{eur_per_kwh(prices.highest_ueur_per_kwh)}",
            "largest spread": eur_per_kwh(largest_spread),
            "token": settled_in or "a new demonstration euro",
        }
        if dry_run:
            if settled_in is not None:
                call = founding_call(
                    authority=authority,
                    operators=seated,
                    quorum=quorum,
                    band=prices,
                    largest_spread_ueur_per_kwh=largest_spread,
                    token=settled_in,
                )
                rehearse(opened, call)
            typer.echo("would deploy, and write to " + str(out))
            for label, text in lines.items():
                typer.echo(f"{label}: {text}")
            return
        consortium = deploy_consortium(
            opened,
            authority=authority,
            operators=seated,
            quorum=quorum,
            band=prices,
            largest_spread_ueur_per_kwh=largest_spread,
            token=settled_in,
        )
        deployment = Deployment.of(consortium, name=name)
    try:
        write_deployment(deployment, out)
    except (OSError, OptionError):
        # The contract is there: what the file would have said must not be lost.
        typer.echo(deployment.to_json(), nl=False)
        raise
    lines["token"] = deployment.token
    lines["contract"] = f"{deployment.contract}, from block {deployment.first_block}"
    for label, text in lines.items():
        typer.echo(f"{label}: {text}")
    typer.echo(f"written to {out}")
