"""`peercharge account`: keys, accounts, limits and money of those who trade.

The key of the environment (PEERCHARGE_KEYSTORE) is the account's owner. What an owner signs with
`--sign-to` is sent by whoever hands the file in, so an owner needs no money for gas and no node.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading.cli.group import CommandGroup
from trading.cli.ledger import (
    AsJson,
    DeploymentFile,
    DryRun,
    NetworkAddress,
    address_of,
    changes,
    consortium_at,
    duration_s,
    eur,
    eur_per_kwh,
    own_key,
    send,
    send_call,
    table,
)

if TYPE_CHECKING:
    from trading.chain import Consortium, Mandate
    from trading.chain.handover import SignedAct

LARGEST_ACCOUNT = 2**32 - 1
NO_TAG = "0x" + "0" * 64

account = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Make a key, open an account with it, set its limits, pay in and take out.",
)

Number = Annotated[
    int, typer.Argument(metavar="ACCOUNT", min=1, max=LARGEST_ACCOUNT, help="Its number.")
]
Session = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="The stay that it is for; operators find it by this and its salt."
    ),
]
SaltsFile = Annotated[
    Path | None,
    typer.Option(
        "--salts",
        metavar="FILE",
        help="File of the stays' salts; the stay's is added where it has none.",
    ),
]
Tag = Annotated[
    str | None,
    typer.Option(metavar="HEX", help="The tag itself, 32 bytes, from whoever holds the salt."),
]
MaxBuy = Annotated[
    str | None,
    typer.Option(metavar="EUR/kWh", help="The most it pays; without it, it buys nothing."),
]
MinSell = Annotated[
    str | None,
    typer.Option(metavar="EUR/kWh", help="The least it takes; without it, it sells nothing."),
]
Aggregator = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Who may submit its trades, such as the lot's engine."),
]
ValidFor = Annotated[
    str, typer.Option(metavar="TIME", help="How long the limits hold, such as 8h or 1d.")
]
OpenToBuyers = Annotated[
    bool,
    typer.Option("--open-to-buyers", help="Let a buyer name it as seller in a batch of its own."),
]
SignTo = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Sign only, into this new file; `account hand-in` sends what it says."
    ),
]
SignatureFor = Annotated[
    str, typer.Option(metavar="TIME", help="How long what is signed may be handed in.")
]


@account.command("new-key")
def new_key(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Keystore; it must not exist yet.")],
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File that holds the password. Without it, PEERCHARGE_KEYSTORE_PASSWORD_FILE or "
            "PEERCHARGE_KEYSTORE_PASSWORD of the environment says it.",
        ),
    ] = None,
) -> None:
    """Make a key in an encrypted file that only its owner may read, and print its address."""
    from trading.chain import Key
    from trading.chain.keys import PASSWORD_FILE_VARIABLE, password_of

    environment: dict[str, str] = dict(os.environ)
    if password_file is not None:
        environment[PASSWORD_FILE_VARIABLE] = str(password_file)
    typer.echo(Key.create(out, password_of(environment)).address)


@account.command("register")
def register(
    deployment: DeploymentFile,
    network: NetworkAddress,
    session: Session = None,
    salts: SaltsFile = None,
    tag: Tag = None,
    dry_run: DryRun = False,
) -> None:
    """Open an account for the key of the environment, without limits yet.

    A lot's own account needs no tag; a driver's has that of its stay.
    """
    from trading.chain import RegisterReceipt

    key = own_key("the account's owner")
    chosen = _tag(session, salts, tag, keep=not dry_run)
    with consortium_at(deployment, network) as consortium:
        receipt = send(consortium, "register", chosen, by=key, dry_run=dry_run)
        if isinstance(receipt, RegisterReceipt):
            typer.echo(f"account {receipt.account} of {key.address}, tag {chosen}")


@account.command("enroll")
def enroll(
    deployment: DeploymentFile,
    network: NetworkAddress,
    session: Session = None,
    salts: SaltsFile = None,
    tag: Tag = None,
    max_buy: MaxBuy = None,
    min_sell: MinSell = None,
    aggregator: Aggregator = None,
    valid_for: ValidFor = "1d",
    open_to_buyers: OpenToBuyers = False,
    sign_to: SignTo = None,
    signature_for: SignatureFor = "1h",
    dry_run: DryRun = False,
) -> None:
    """Open an account with its limits in one step, as its owner signs both."""
    from trading.chain import RegisterReceipt
    from trading.chain.handover import signed_enrolment

    key = own_key("the account's owner")
    _check_limits(max_buy, min_sell, valid_for, aggregator)
    lasts_s = duration_s(signature_for, "signature_for")
    chosen = _tag(session, salts, tag, keep=not dry_run)
    with consortium_at(deployment, network) as consortium:
        limits = _limits(consortium, max_buy, min_sell, aggregator, valid_for, open_to_buyers)
        deadline = consortium.network.now() + lasts_s
        signed = signed_enrolment(consortium, tag=chosen, mandate=limits, deadline=deadline, by=key)
        if sign_to is not None:
            _keep(signed, sign_to)
            return
        call = signed.call(consortium, by=key)
        receipt = send_call(consortium, call, told=(signed,), dry_run=dry_run)
        if isinstance(receipt, RegisterReceipt):
            typer.echo(f"account {receipt.account} of {key.address}, tag {chosen}")
            typer.echo(f"limits: {_shown(limits)}")


@account.command("fund")
def fund(
    number: Number,
    amount: Annotated[str, typer.Argument(metavar="EUR", help="Such as 20 or 12.50.")],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Pay into an account from the tokens of the key of the environment: approve, then deposit."""
    from trading.chain.reverts import as_error
    from trading.units import amount_ueur

    ueur = amount_ueur(amount)
    key = own_key("who pays in")
    with consortium_at(deployment, network) as consortium:
        before = _rows(consortium, number)
        token = consortium.token
        held = token.balance_of(key.address)
        if held < ueur:
            arguments = {"sender": key.address, "balance": held, "needed": ueur}
            raise as_error("ERC20InsufficientBalance", arguments)
        # Exactly this deposit: an allowance that is left over could be taken later.
        if token.allowance(key.address, consortium.address) != ueur:
            sent = send(token, "approve", consortium.address, ueur, by=key, dry_run=dry_run)
            if sent is None:
                typer.echo(f"and then deposit({number}, {ueur}) to {consortium.address}")
                return
        if send(consortium, "deposit", number, ueur, by=key, dry_run=dry_run) is not None:
            _print_changes(before, consortium, number)


@account.command("mandate")
def mandate(
    number: Number,
    deployment: DeploymentFile,
    network: NetworkAddress,
    max_buy: MaxBuy = None,
    min_sell: MinSell = None,
    aggregator: Aggregator = None,
    valid_for: ValidFor = "1d",
    open_to_buyers: OpenToBuyers = False,
    sign_to: SignTo = None,
    signature_for: SignatureFor = "1h",
    dry_run: DryRun = False,
) -> None:
    """Set the limits of an account, in the place of those that it has."""
    from trading.chain.handover import signed_mandate

    key = own_key("the account's owner")
    _check_limits(max_buy, min_sell, valid_for, aggregator)
    lasts_s = duration_s(signature_for, "signature_for")
    with consortium_at(deployment, network) as consortium:
        limits = _limits(consortium, max_buy, min_sell, aggregator, valid_for, open_to_buyers)
        if sign_to is not None:
            deadline = consortium.network.now() + lasts_s
            _keep(
                signed_mandate(
                    consortium, account=number, mandate=limits, deadline=deadline, by=key
                ),
                sign_to,
            )
            return
        before = _rows(consortium, number)
        if send(consortium, "setMandate", number, limits, by=key, dry_run=dry_run) is not None:
            _print_changes(before, consortium, number)


@account.command("revoke")
def revoke(
    number: Number,
    deployment: DeploymentFile,
    network: NetworkAddress,
    sign_to: SignTo = None,
    signature_for: SignatureFor = "1h",
    dry_run: DryRun = False,
) -> None:
    """Withdraw the limits of an account: from then on it takes part in no new trade."""
    from trading.chain.handover import signed_revocation

    key = own_key("the account's owner")
    lasts_s = duration_s(signature_for, "signature_for")
    with consortium_at(deployment, network) as consortium:
        if sign_to is not None:
            deadline = consortium.network.now() + lasts_s
            _keep(signed_revocation(consortium, account=number, deadline=deadline, by=key), sign_to)
            return
        before = _rows(consortium, number)
        if send(consortium, "revokeMandate", number, by=key, dry_run=dry_run) is not None:
            _print_changes(before, consortium, number)


@account.command("withdraw")
def withdraw(
    number: Number,
    amount: Annotated[str, typer.Argument(metavar="EUR|all", help="How much of what is free.")],
    deployment: DeploymentFile,
    network: NetworkAddress,
    to: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Who gets it; without it, the owner."),
    ] = None,
    sign_to: SignTo = None,
    signature_for: SignatureFor = "1h",
    dry_run: DryRun = False,
) -> None:
    """Take money out of an account."""
    from trading.chain.handover import signed_withdrawal
    from trading.chain.reverts import as_error
    from trading.units import amount_ueur

    asked = None if amount == "all" else amount_ueur(amount)
    target = None if to is None else address_of(to, "to")
    lasts_s = duration_s(signature_for, "signature_for")
    key = own_key("the account's owner")
    with consortium_at(deployment, network) as consortium:
        before = _rows(consortium, number)
        ueur = consortium.account(number).free_ueur if asked is None else asked
        if ueur == 0:
            raise as_error("AmountZero", {"account": number})
        receiver = target or key.address
        if sign_to is not None:
            deadline = consortium.network.now() + lasts_s
            signed = signed_withdrawal(
                consortium,
                account=number,
                amount_ueur=ueur,
                to=receiver,
                deadline=deadline,
                by=key,
            )
            _keep(signed, sign_to)
            return
        arguments = number, ueur, receiver
        if send(consortium, "withdraw", *arguments, by=key, dry_run=dry_run) is not None:
            _print_changes(before, consortium, number)


@account.command("hand-in")
def hand_in(
    signed: Annotated[
        Path, typer.Argument(metavar="FILE", help="What an owner signed with --sign-to.")
    ],
    deployment: DeploymentFile,
    network: NetworkAddress,
    dry_run: DryRun = False,
) -> None:
    """Send what an owner signed, with anyone's key, such as the engine's of a lot."""
    from trading.chain import RegisterReceipt
    from trading.chain.handover import SignedEnrolment, read_signed

    act = read_signed(signed)
    key = own_key("who hands it in")
    with consortium_at(deployment, network) as consortium:
        call = act.call(consortium, by=key)
        before = {}
        if not isinstance(act, SignedEnrolment):
            before = _rows(consortium, act.account)
        receipt = send_call(consortium, call, told=(act,), dry_run=dry_run)
        if receipt is None:
            return
        if isinstance(act, SignedEnrolment):
            if isinstance(receipt, RegisterReceipt):
                typer.echo(f"account {receipt.account} of {act.owner}, tag {act.tag}")
                typer.echo(f"limits: {_shown(act.mandate)}")
            return
        _print_changes(before, consortium, act.account)


@account.command("show")
def show(
    number: Number, deployment: DeploymentFile, network: NetworkAddress, as_json: AsJson = False
) -> None:
    """Show what the ledger knows of an account."""
    with consortium_at(deployment, network) as consortium:
        if as_json:
            typer.echo(json.dumps(asdict(consortium.account(number)), indent=2))
            return
        typer.echo(table(_rows(consortium, number)))


@account.command("forget")
def forget(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="The stay's id.")],
    salts: Annotated[Path, typer.Option(metavar="FILE", help="File of the stays' salts.")],
) -> None:
    """Erase the salt of a stay: nothing then leads from its account's tag to it.

    Erase it in every copy, at every operator and in backups; the disk may hold it longer.
    """
    from trading.errors import OptionError
    from trading.operators import erase_salts

    if not erase_salts(salts, [session]):
        raise OptionError("session", session, f"a stay whose salt is in {salts}")
    typer.echo(f"the salt of {session} is erased from {salts}")


def _tag(session: str | None, salts: Path | None, tag: str | None, *, keep: bool) -> str:
    """The tag of an account: given, computed from a stay and its salt, or none.

    A stay without a salt gets one, which is on the disk before its tag is on the chain.
    """
    import re

    from trading.errors import OptionError
    from trading.operators import Pseudonyms, keep_salts, read_salts
    from trading.operators.pseudonyms import drawn_salt

    if (session is None) is not (salts is None):
        name = "session" if session is None else "salts"
        raise OptionError(name, None, "both --session and --salts, or neither")
    if tag is not None:
        if session is not None:
            raise OptionError("tag", tag, "none beside --session, whose tag is computed")
        if not re.fullmatch("0x[0-9a-f]{64}", tag.lower()):
            raise OptionError("tag", tag, "0x and 64 hexadecimal digits")
        return tag.lower()
    if session is None or salts is None:
        return NO_TAG
    if not session:
        raise OptionError("session", session, "the id of a stay")
    known = keep_salts(salts, [session]) if keep else {session: drawn_salt(), **read_salts(salts)}
    return Pseudonyms(known.get).tag(session)


def _check_limits(
    max_buy: str | None, min_sell: str | None, valid_for: str, aggregator: str | None
) -> None:
    """Refuse limits that cannot be, before a network is opened."""
    from trading.errors import OptionError
    from trading.units import price_ueur_per_kwh

    if max_buy is None and min_sell is None:
        raise OptionError("max_buy", None, "a price here or in --min-sell, or both")
    for name, price in (("max_buy", max_buy), ("min_sell", min_sell)):
        if price is not None:
            price_ueur_per_kwh(price, name=name)
    duration_s(valid_for, "valid_for")
    if aggregator is not None:
        address_of(aggregator, "aggregator")


def _limits(
    consortium: Consortium,
    max_buy: str | None,
    min_sell: str | None,
    aggregator: str | None,
    valid_for: str,
    open_to_buyers: bool,
) -> Mandate:
    from trading.chain import Mandate
    from trading.units import MAX_U32, price_ueur_per_kwh

    return Mandate(
        max_buy_ueur_per_kwh=0 if max_buy is None else price_ueur_per_kwh(max_buy),
        min_sell_ueur_per_kwh=MAX_U32 if min_sell is None else price_ueur_per_kwh(min_sell),
        valid_until=min(consortium.network.now() + duration_s(valid_for, "valid_for"), MAX_U32),
        aggregator=None if aggregator is None else address_of(aggregator, "aggregator"),
        open_to_buyers=open_to_buyers,
    )


def _keep(signed: SignedAct, path: Path) -> None:
    from trading.files import OWNER_ONLY, create_file

    create_file(path, signed.to_json(), mode=OWNER_ONLY, name="sign_to")
    typer.echo(f"{signed.act} signed by {signed.owner}, written to {path}")


def _rows(consortium: Consortium, number: int) -> dict[str, str]:
    """Everything the ledger knows of an account, as lines with a name each."""
    found = consortium.account(number)
    return {
        "account": str(number),
        "owner": found.owner,
        "tag": found.tag,
        "free": eur(found.free_ueur),
        "locked": eur(found.locked_ueur),
        "limits": "none" if found.mandate is None else _shown(found.mandate),
        "last sequence": str(found.sequence),
        "tokens of the owner": eur(consortium.token.balance_of(found.owner)),
    }


def _shown(limits: Mandate) -> str:
    from trading.chain.sentences import time_text
    from trading.units import MAX_U32

    buys = limits.max_buy_ueur_per_kwh
    sells = limits.min_sell_ueur_per_kwh
    parts = [
        f"buys up to {eur_per_kwh(buys)}" if buys else "buys nothing",
        "sells nothing" if sells == MAX_U32 else f"sells from {eur_per_kwh(sells)}",
        f"until {time_text(limits.valid_until)}",
        f"through {limits.aggregator or 'itself only'}",
    ]
    if limits.open_to_buyers:
        parts.append("open to buyers")
    return ", ".join(parts)


def _print_changes(before: dict[str, str], consortium: Consortium, number: int) -> None:
    for line in changes(before, _rows(consortium, number)):
        typer.echo(line)
