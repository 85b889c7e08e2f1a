"""What owners do with their accounts: limits, money in and out; and what a stay comes to.

An owner signs, and this service hands in what was signed. It holds no owner's key, except where
drivers are simulated: then it signs for them, and every answer says so.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Body
from sqlalchemy import select

from trading.chain import Consortium, Key, Receipt, RegisterReceipt
from trading.chain.acts import (
    WantedAct,
    WantedMandate,
    WantedRevocation,
    WantedWithdrawal,
    preview_of,
    signed_with,
)
from trading.chain.handover import SignedAct, SignedEnrolment
from trading.chain.reverts import as_error
from trading.chain.sender import rehearse
from trading.errors import LedgerRevertedError
from trading.store.schema import MIRROR_ACCOUNTS
from trading.units import MAX_U32, eur_text
from trading.web.act_rows import (
    ActPreviewOut,
    ActSentOut,
    DepositIn,
    DepositPreviewOut,
    DepositSentIn,
    OutlookOut,
    WalletOut,
)
from trading.web.auth import Principal, Role, allow
from trading.web.chain import SIGNED_FOR_S, ChainDoor
from trading.web.outlook import outlook_of
from trading.web.problems import Problem, documented
from trading.web.routes.common import Chain, From, LotParty, Name, call_out, topic
from trading.web.routes.ledger import AccountNumber
from trading.web.source import Source
from trading.web.views import utc
from trading.web.writes import Write

router = topic("acts")

Driver = Annotated[Principal, allow(Role.DRIVER)]
HandsIn = Annotated[Principal, allow(Role.DRIVER, Role.AGGREGATOR)]
Wanted = Annotated[WantedAct, Body(discriminator="act")]


@router.get("/sessions/{session_id}/outlook", responses=documented(404))
def outlook(session_id: Name, who: LotParty, source: From) -> OutlookOut:
    """What a vehicle has now, and what it comes to if it leaves as planned and trades no more.

    For a driver another's session does not exist.
    """
    with source.look() as connection:
        is_seen = who.sees_vehicles or session_id in source.own(connection, who).sessions
        found = outlook_of(source, connection, session_id) if is_seen else None
    if found is None:
        raise Problem(404, "there is no such session")
    return found


@router.get("/accounts/{account}/wallet", responses=documented(404, 409))
def wallet(account: AccountNumber, who: Driver, source: From, chain: Chain) -> WalletOut:
    """Who holds the key of one's account, and the tokens that are not in it yet."""
    mine = _own(source, chain, who, account)
    with chain.use() as consortium:
        owner = consortium.account(account).owner
        held = consortium.token.balance_of(owner)
    return WalletOut(account=account, owner=owner, held_ueur=held, wallet=mine.wallet)


@router.post("/acts/preview", responses=documented(400, 404, 409, 413))
def preview_act(act: Wanted, who: Driver, source: From, chain: Chain) -> ActPreviewOut:
    """What one wants of one's account, as a wallet shows and signs it. Nothing is sent."""
    mine = _own(source, chain, who, act.account)
    with chain.use() as consortium:
        found = preview_of(consortium, act, lasts_s=SIGNED_FOR_S)
        now_s = consortium.network.now()
    return ActPreviewOut(
        act=act,
        owner=found.owner,
        is_accepted=found.refusal is None,
        refusal=str(found.refusal or ""),
        deadline=utc(found.deadline),
        typed_data=found.typed_data,
        wallet=mine.wallet,
        command=_command(act, now_s),
    )


@router.post("/acts", responses=documented(400, 404, 409, 413))
def hand_in(
    act: Annotated[SignedAct, Body(discriminator="act")],
    who: HandsIn,
    source: From,
    chain: Chain,
    write: Write,
) -> ActSentOut:
    """Hand in what an owner signed. The contract takes each signature once.

    A driver hands in for its own accounts and addresses alone.
    """
    _begun(write, act)
    if Role.AGGREGATOR not in who.roles:
        if not isinstance(act, SignedEnrolment):
            _own(source, chain, who, act.account)
        elif act.owner.lower() not in who.owners:
            raise Problem(404, "this address is none of the caller's")
    with chain.use() as consortium:
        sent = _hand_in(consortium, chain, act, "owner")
    return _done(write, chain, sent)


@router.post("/acts/simulated", responses=documented(400, 404, 409, 413))
def act_for_simulated(
    act: Wanted, who: Driver, source: From, chain: Chain, write: Write
) -> ActSentOut:
    """Sign as a driver that nobody is, and hand it in; only where drivers are simulated."""
    _begun(write, act)
    key = _simulated(_own(source, chain, who, act.account))
    with chain.use() as consortium:
        signed = signed_with(consortium, act, lasts_s=SIGNED_FOR_S, by=key)
        sent = _hand_in(consortium, chain, signed, "simulated wallet")
    return _done(write, chain, sent)


@router.post("/deposits/preview", responses=documented(400, 404, 409, 413))
def preview_deposit(given: DepositIn, who: Driver, source: From, chain: Chain) -> DepositPreviewOut:
    """The two transactions of a deposit: the token's approval, then the deposit itself."""
    mine = _own(source, chain, who, given.account)
    number, ueur = given.account, given.amount_ueur
    with chain.use() as consortium:
        payer = consortium.account(number).owner
        held = consortium.token.balance_of(payer)
        refusal = _deposit_refusal(consortium, payer, ueur, held)
        return DepositPreviewOut(
            account=number,
            amount_ueur=ueur,
            key=secrets.token_urlsafe(16),
            payer=payer,
            held_ueur=held,
            is_accepted=refusal is None,
            refusal=str(refusal or ""),
            calls=[
                call_out(consortium.token, "approve", consortium.address, ueur, sender=payer),
                call_out(consortium, "deposit", number, ueur, sender=payer),
            ],
            wallet=mine.wallet,
            command=f"peercharge account fund {number} {eur_text(ueur)}",
        )


@router.post("/deposits/simulated", responses=documented(400, 404, 409, 413))
def deposit_for_simulated(
    given: DepositSentIn, who: Driver, source: From, chain: Chain, write: Write
) -> ActSentOut:
    """Pay in out of a simulated driver's demonstration euro.

    With the key of its preview a deposit counts once, and is answered alike if it comes again.
    """
    number, ueur = given.account, given.amount_ueur

    def pay() -> ActSentOut:
        consortium = chain.consortium
        held = consortium.token.balance_of(key.address)
        refusal = _deposit_refusal(consortium, key.address, ueur, held)
        if refusal is not None:
            raise refusal
        # Exactly this deposit: an allowance that is left over could be taken later.
        consortium.token.approve(consortium.address, ueur, by=key)
        return _sent(consortium.deposit(number, ueur, by=key), number, "simulated wallet")

    _begun(write, given)
    key = _simulated(_own(source, chain, who, number))
    with chain.use():
        if given.key is None:
            sent, is_new = pay(), True
        else:
            sent, is_new = chain.deposits.answer(who.subject, given.key, (number, ueur), pay)
    return _done(write, chain, sent, is_new=is_new)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mine:
    """An account of the caller's.

    Attributes:
        key: its owner's, where that is a simulated driver.
    """

    key: Key | None

    @property
    def wallet(self) -> Literal["own", "simulated"]:
        """Who holds the key."""
        return "own" if self.key is None else "simulated"


def _own(source: Source, chain: ChainDoor, who: Principal, account: int) -> _Mine:
    """An account of the caller's; anybody else's does not exist."""
    with source.look() as connection:
        if account not in source.own(connection, who).accounts:
            raise Problem(404, "there is no such account among the caller's")
        row = connection.execute(
            select(MIRROR_ACCOUNTS.c.owner, MIRROR_ACCOUNTS.c.tag).where(
                MIRROR_ACCOUNTS.c.account == account
            )
        ).one()
        session = source.sessions_by_tag(connection).get(row.tag)
    if chain.wallet_of is None or session is None:
        return _Mine(key=None)
    key = chain.wallet_of(session)
    return _Mine(key=key if key.address == row.owner else None)


def _simulated(mine: _Mine) -> Key:
    if mine.key is None:
        raise Problem(
            409,
            "this account's key is its owner's: the service holds none of it",
            "Sign it with a wallet, or with the command that the preview names; then hand it in.",
        )
    return mine.key


def _hand_in(
    consortium: Consortium,
    chain: ChainDoor,
    act: SignedAct,
    signed_by: Literal["owner", "simulated wallet"],
) -> ActSentOut:
    if chain.sender is None:
        raise Problem(
            503,
            "this service hands nothing in: it has no key of its own",
            "Hand it in with `peercharge account hand-in FILE`.",
        )
    call = act.call(consortium, by=chain.sender)
    rehearse(consortium.network, call)
    receipt = consortium.send_all([call])[0]
    if isinstance(act, SignedEnrolment):
        assert isinstance(receipt, RegisterReceipt)
        return _sent(receipt, receipt.account, signed_by)
    return _sent(receipt, act.account, signed_by)


def _sent(
    receipt: Receipt, account: int, signed_by: Literal["owner", "simulated wallet"]
) -> ActSentOut:
    return ActSentOut(
        transaction=receipt.transaction,
        block=receipt.block,
        time=utc(receipt.time),
        gas_used=receipt.gas_used,
        account=account,
        signed_by=signed_by,
    )


def _begun(write: Write, act: SignedAct | WantedAct | DepositSentIn) -> None:
    """Say in the log what is attempted."""
    # Whoever reads the log could hand in what is signed.
    told = act.model_dump(mode="json", exclude={"signature"})
    kind = {"act": "deposit"} if isinstance(act, DepositSentIn) else {}
    write.is_to("act done", "act not done", **kind, **told)


def _done(write: Write, chain: ChainDoor, sent: ActSentOut, **told: Any) -> ActSentOut:
    """Say in the log what came of it, and tell the engine that the chain has moved."""
    shown = {"account", "transaction", "block", "signed_by"}
    write.came(**sent.model_dump(include=shown), **told)
    chain.sent()
    return sent


def _deposit_refusal(
    consortium: Consortium, payer: str, amount_ueur: int, held_ueur: int
) -> LedgerRevertedError | None:
    """Why a deposit would be refused, as far as it can be told before the approval."""
    if consortium.paused():
        return as_error("ConsortiumPaused", {})
    if held_ueur < amount_ueur:
        arguments = {"sender": payer, "balance": held_ueur, "needed": amount_ueur}
        return as_error("ERC20InsufficientBalance", arguments)
    return None


def _command(act: WantedAct, now_s: int) -> str:
    """The words that sign the same with a key of one's own."""
    match act:
        case WantedMandate():
            limits = act.mandate
            words = f"mandate {act.account}"
            if limits.max_buy_ueur_per_kwh:
                words += f" --max-buy {eur_text(limits.max_buy_ueur_per_kwh)}"
            if limits.min_sell_ueur_per_kwh < MAX_U32:
                words += f" --min-sell {eur_text(limits.min_sell_ueur_per_kwh)}"
            if limits.aggregator is not None:
                words += f" --aggregator {limits.aggregator}"
            words += f" --valid-for {max(limits.valid_until - now_s, 1)}s"
            words += " --open-to-buyers" if limits.open_to_buyers else ""
        case WantedWithdrawal():
            words = f"withdraw {act.account} {eur_text(act.amount_ueur)} --to {act.to}"
        case WantedRevocation():
            words = f"revoke {act.account}"
    return f"peercharge account {words} --sign-to FILE"
