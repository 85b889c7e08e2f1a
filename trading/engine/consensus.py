"""Who decides on trades, and what a result says of it, in the main job and in the case study.

Every operator loads its own copy of the sessions, and what it voted goes into one table; what
became of the trades goes into the summary under the same keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from trading.chain import Consortium, Network
from trading.engine.enrolment import LOT, Cast, Enrolment
from trading.engine.faults import ENGINE_FAULTS, EngineFault
from trading.engine.result import FINAL_STATUSES, OPERATOR_COLUMNS
from trading.errors import OptionError
from trading.lot import LotRules, Terms
from trading.market import DEFAULT_MECHANISM
from trading.operators import CONDUCTS, MANNERS, Conduct, Manner, OperatorNode

MAX_OPERATORS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """Who decides on trades, and where.

    Attributes:
        network: `embedded`, `anvil` or the URL of a node.
        operators: how many.
        quorum: how many of them must confirm.
        conducts: how each behaves; honest where the tuple is shorter than the number.
        engine_fault: what a dishonest engine does; None for an honest one.
        confirmations: `aggregated`, operators sign off chain and the engine hands a quorum in at
            once; or `direct`, each sends its own. Both end in the same state.

    Raises:
        OptionError: a value is outside what is said here.
    """

    network: str = "embedded"
    operators: int = 4
    quorum: int = 3
    conducts: tuple[Conduct, ...] = ()
    engine_fault: EngineFault | None = None
    confirmations: Manner = "aggregated"

    def __post_init__(self) -> None:
        if not 1 <= self.operators <= MAX_OPERATORS:
            raise OptionError("operators", self.operators, f"1 to {MAX_OPERATORS}")
        if not 1 <= self.quorum <= self.operators:
            raise OptionError(
                "quorum", self.quorum, f"1 to the number of operators, {self.operators}"
            )
        if len(self.conducts) > self.operators:
            raise OptionError(
                "operator_fault",
                ", ".join(self.conducts),
                f"at most as many as there are operators, {self.operators}",
            )
        if self.confirmations not in MANNERS:
            raise OptionError("confirmations", self.confirmations, "one of " + ", ".join(MANNERS))
        for conduct in self.conducts:
            if conduct not in CONDUCTS:
                raise OptionError("operator_fault", conduct, "one of " + ", ".join(CONDUCTS))
        if self.engine_fault is not None and self.engine_fault not in ENGINE_FAULTS:
            raise OptionError(
                "engine_fault", self.engine_fault, "one of " + ", ".join(ENGINE_FAULTS)
            )

    def conduct_of(self, number: int) -> Conduct:
        """Conduct of the operator with this number, counted from 0."""
        return self.conducts[number] if number < len(self.conducts) else "honest"


def operators_of(
    consensus: Consensus,
    cast: Cast,
    enrolment: Enrolment,
    load: Callable[[], pd.DataFrame],
    *,
    rules: LotRules,
    terms: Terms,
    mechanism: str = DEFAULT_MECHANISM,
    manner: Manner | None = None,
) -> list[OperatorNode]:
    """The operators of a run, which share no table.

    Args:
        consensus: how each of them behaves.
        cast: their keys, and the pseudonyms that the engine shared with them.
        enrolment: the consortium that they sit in.
        load: gives a SESSIONS table of its own at each call; the wrong operator's has every state
            of charge turned around.
        rules: how the lot trades.
        terms: what things cost.
        mechanism: name of the lot's market.
        manner: how they confirm, where `consensus` does not decide it.
    """
    nodes = []
    for number, key in enumerate(cast.operators):
        conduct = consensus.conduct_of(number)
        own = load()
        if conduct == "wrong":
            own = own.assign(soc_arrival=1.0 - own["soc_arrival"])
        nodes.append(
            OperatorNode(
                key=key,
                consortium=enrolment.consortium,
                sessions=own,
                pseudonyms=cast.pseudonyms,
                rules=rules,
                terms=terms,
                lot=LOT,
                mechanism=mechanism,
                conduct=conduct,
                manner=manner or consensus.confirmations,
            )
        )
    return nodes


def operator_table(nodes: Sequence[OperatorNode], consortium: Consortium) -> pd.DataFrame:
    """A row an operator with its seat, its conduct and its votes; columns `OPERATOR_COLUMNS`."""
    rows = [
        {
            "operator": node.key.name,
            "address": node.key.address,
            "seat": consortium.seat_of(node.key.address),
            "conduct": node.conduct,
            **{vote: node.tally()[vote] for vote in ("confirmed", "rejected", "unvoted")},
        }
        for node in nodes
    ]
    return pd.DataFrame(rows, columns=list(OPERATOR_COLUMNS))


def trades_summary(trades: pd.DataFrame) -> dict[str, int | str | float]:
    """How many trades were submitted, and how they ended."""
    counts = trades["status"].value_counts()
    statuses = ("pending", "confirmed", *FINAL_STATUSES)
    return {
        "trades": len(trades),
        **{status: int(counts.get(status, 0)) for status in statuses},
    }


def ledger_summary(
    consortium: Consortium, network: Network, *, trades: int, gas_used: int
) -> dict[str, int | str | float]:
    """What the ledger took for `trades` trades, and where it is."""
    return {
        "gas_used": gas_used,
        "gas_per_trade": round(gas_used / trades) if trades else 0,
        "network": network.name,
        "chain_id": network.chain_id,
        "contract_address": consortium.address,
    }
