"""Uniform-price double auction (k-pricing): one price for all, the largest volume it allows."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from trading.errors import OptionError
from trading.market.book import Fills, OrderBook, PeerPrice
from trading.market.crossing import crossing


def uniform_price(book: OrderBook, price: PeerPrice, /, *, k: float | Fraction = 0.5) -> Fills:
    """Clear at one price between the marginal orders.

    The volume is the largest that any one price clears. All prices of an interval [low, high] clear
    it: `low` is the greater of the last ask that trades and the first bid that does not, `high` the
    smaller of the last bid that trades and the first ask that does not. The price is
    low + k * (high - low), rounded down to whole micro-euro. An order that trades in part sets the
    price alone, for it is the last that trades and the first that does not.

    On equal limit prices the earlier arrival trades first, then the smaller vehicle id; only the
    last order of one side can be left with a part.

    Args:
        book: the orders with their limit prices.
        price: only its spread is used: the lot's fee, which sellers get less than buyers pay.
        k: share of the interval that goes to sellers, 0 to 1; exact if it is a fraction.

    Returns:
        Fills in the order of the buyers' queue (highest ceiling first), then of the sellers'.

    Raises:
        OptionError: k is not from 0 to 1.
    """
    if not 0 <= k <= 1:
        raise OptionError("k", k, "a share from 0 to 1")
    crossed = crossing(book, fee=price.spread_ueur_per_kwh)
    interval = crossed.price_interval()
    if interval is None or crossed.volume_wh == 0:
        return crossed.first(0, 0).fills(PeerPrice.same(0))
    low, high = interval
    paid = low + floor(Fraction(k) * (high - low))
    return crossed.fills(PeerPrice(buyer_ueur_per_kwh=paid, seller_ueur_per_kwh=paid - crossed.fee))
