"""Pay-as-bid: the trades of the uniform price, but each pair has a price of its own."""

from __future__ import annotations

from typing import Literal, get_args

from trading.errors import OptionError
from trading.market.book import Fills, OrderBook, PeerPrice
from trading.market.crossing import crossing

SurplusTo = Literal["pair", "lot"]


def pay_as_bid(book: OrderBook, price: PeerPrice, /, *, surplus_to: SurplusTo = "pair") -> Fills:
    """Dearest bid with cheapest ask, each pair at what the two of them said.

    A bid and an ask differ, so somebody gets the difference, less the lot's fee:

    - `pair`, the default: the two share it. The price is the middle of the bid and the ask with the
      fee, rounded down; the seller gets the fee less. The lot earns its fee whatever is said, and
      so has no interest in which mechanism is used or in who trades.
    - `lot`: literal pay-as-bid. The buyer pays its bid, the seller gets its ask, and all of the
      difference is spread.

    Nobody pays above its limit or gets below it under either. Neither is truthful: what one says is
    what one pays.

    Args:
        book: the orders with their limit prices.
        price: only its spread is used: the lot's fee.
        surplus_to: who gets the difference between bid and ask.

    Returns:
        Fills in the order of the buyers' queue (highest ceiling first), then of the sellers'.

    Raises:
        OptionError: `surplus_to` is neither of the two.
    """
    if surplus_to not in get_args(SurplusTo):
        raise OptionError("surplus_to", surplus_to, "pair or lot")
    crossed = crossing(book, fee=price.spread_ueur_per_kwh)
    pairs = crossed.pairs()
    bid, ask = crossed.bids[pairs.buyer], crossed.asks[pairs.seller]
    if surplus_to == "lot":
        return crossed.fills_at(pairs, bid, ask - crossed.fee)
    middle = (bid + ask) // 2
    return crossed.fills_at(pairs, middle, middle - crossed.fee)
