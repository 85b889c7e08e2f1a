"""Simulated drivers for a service that replays recorded sessions: accounts, limits and money.

In a real lot each driver opens an account once (`peercharge account`), and the service only looks
for it. Recorded sessions have no drivers who could, so their keys are demonstration keys, computed
from the seed, and the engine pays in for them out of its own tokens. All of it goes through the
outbox like everything else: it can be interrupted anywhere.
"""

from __future__ import annotations

import pandas as pd
import structlog
from sqlalchemy import Connection, select

from trading.chain import Key, sign_enrollment
from trading.engine.enrolment import DAY_S, demonstration_mandate, deposit_ueur
from trading.engine.service import Engine
from trading.errors import BalanceError
from trading.lot import Stays
from trading.store.schema import TRANSACTIONS

log = structlog.get_logger(__name__)

APPROVED = "approve"


class SimulatedDrivers:
    """Opens and funds accounts for every session that may trade; pass `enrol` to the engine."""

    def __init__(self, seed: int) -> None:
        """Drivers with keys computed from `seed`."""
        self._seed = seed
        self._done_at = -1

    @property
    def is_done(self) -> bool:
        """Whether all that came so far had accounts and money at the last look."""
        return self._done_at >= 0

    def enrol(self, engine: Engine, sessions: pd.DataFrame) -> bool:
        """Write what is missing for these sessions; True once all have accounts and money."""
        if sessions.empty or self._done_at == len(sessions):
            return True
        publication, terms = engine.publication, engine.publication.terms
        stays = Stays(sessions, publication.rules)
        price = terms.peer_price(publication.rules.guarantee, publication.rules.efficiency)
        accounts = {account.tag: account for account in engine.mirror.ledger.accounts.values()}
        _check_deposits(engine)
        now = engine.consortium.network.now()
        valid_until = max(now, int(stays.departure_s.max())) + DAY_S
        is_done = True
        with engine.database.begin() as connection:
            for name, bid, ask in zip(
                map(str, stays.ids), stays.bid_cap_wh, stays.ask_cap_wh, strict=True
            ):
                if not (bid or ask):
                    continue
                tag = engine.tag_of(name)
                if tag is None:
                    continue
                account = accounts.get(tag)
                amount = deposit_ueur(name, stays, terms, price)
                if account is None:
                    is_done = False
                    if not _is_written(connection, tag, "enroll"):
                        key = Key.demonstration(self._seed, f"driver {name}")
                        mandate = demonstration_mandate(
                            name, stays, terms, price, engine.key, valid_until
                        )
                        deadline = now + DAY_S
                        signature = sign_enrollment(
                            key,
                            engine.consortium.domain,
                            tag=tag,
                            mandate=mandate,
                            nonce=0,
                            deadline=deadline,
                        )
                        arguments = (key, tag, mandate, deadline, signature)
                        call = engine.consortium.call("enroll", *arguments, by=engine.key)
                        engine.outbox.write(connection, call, subject=tag)
                elif amount and not account.free_ueur + account.locked_ueur:
                    # A driver that was paid in for and has nothing left has taken it out itself.
                    if _is_mined(connection, tag, "deposit"):
                        continue
                    is_done = False
                    if not _is_written(connection, tag, "deposit"):
                        token = engine.consortium.token
                        approve = token.call(
                            APPROVED, engine.consortium.address, amount, by=engine.key
                        )
                        deposit = engine.consortium.call(
                            "deposit", account.number, amount, by=engine.key
                        )
                        engine.outbox.write(connection, approve, subject=tag)
                        engine.outbox.write(connection, deposit, subject=tag)
        if is_done:
            self._done_at = len(sessions)
            log.info("simulated drivers are enrolled", accounts=len(accounts))
        return is_done


def _check_deposits(engine: Engine) -> None:
    """Stop where the engine's tokens do not suffice: nothing would happen for ever."""
    columns = TRANSACTIONS.c
    refused = columns.purpose.in_(["enroll", "deposit"]) & (columns.state == "refused")
    with engine.database.begin() as connection:
        found = connection.execute(select(columns.refusal).where(refused).limit(1)).scalar()
    if found is not None:
        sentence = (
            f"the engine {engine.key.address} cannot open accounts and pay in for simulated "
            f"drivers: {found} Have the authority mint demonstration euro for it, and begin with a "
            "new database."
        )
        raise BalanceError("SimulatedDriversRefused", {"engine": engine.key.address}, sentence)


def _is_mined(connection: Connection, tag: str, purpose: str) -> bool:
    return _is_written(connection, tag, purpose, state="mined")


def _is_written(
    connection: Connection, tag: str, purpose: str, *, state: str | None = None
) -> bool:
    columns = TRANSACTIONS.c
    which = (columns.subject == tag) & (columns.purpose == purpose)
    if state is not None:
        which &= columns.state == state
    found = connection.execute(select(columns.id).where(which).limit(1)).first()
    return found is not None
