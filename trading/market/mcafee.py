"""McAfee's trade reduction: prices that no trader's own limit sets, at the cost of one trade."""

from __future__ import annotations

from trading.market.book import Fills, OrderBook, PeerPrice
from trading.market.crossing import Crossing, crossing


def mcafee(book: OrderBook, price: PeerPrice, /) -> Fills:
    """McAfee's double auction (1992), with orders of any size in place of single units.

    Let the efficient trades end at buyer I and seller J of the two queues. If the orders after
    them, I+1 and J+1, both exist and the middle of their limits suits I and J, all efficient trades
    are made at that price. Otherwise I and J are left out: the buyers before I pay I's bid, and the
    sellers before J get J's ask. What lies between those two prices is spread, the lot's.

    Variant: an order is left out whole, and where the two sides that remain differ in energy, the
    last orders of the longer side's queue go short. With orders of one size nobody goes short, no
    price depends on who trades at it, and the truth is the best thing to say. With orders of
    different sizes a place in the queue is worth something, and it is not; `muda` is.

    Args:
        book: the orders with their limit prices.
        price: only its spread is used: the lot's fee, which is added to every ask.

    Returns:
        Fills in the order of the buyers' queue (highest ceiling first), then of the sellers'.
    """
    crossed = crossing(book, fee=price.spread_ueur_per_kwh)
    n_buyers, n_sellers = crossed.n_buyers, crossed.n_sellers
    if n_buyers == 0:
        return crossed.fills(price)
    bid, ask = int(crossed.bids[n_buyers - 1]), int(crossed.asks[n_sellers - 1])
    middle = _middle_of_the_next(crossed)
    if middle is not None and ask <= middle <= bid:
        return crossed.fills(
            PeerPrice(buyer_ueur_per_kwh=middle, seller_ueur_per_kwh=middle - crossed.fee)
        )
    return crossed.first(n_buyers - 1, n_sellers - 1).fills(
        PeerPrice(buyer_ueur_per_kwh=bid, seller_ueur_per_kwh=ask - crossed.fee)
    )


def _middle_of_the_next(crossed: Crossing) -> int | None:
    bids, asks = crossed.bids[crossed.n_buyers :], crossed.asks[crossed.n_sellers :]
    if len(bids) == 0 or len(asks) == 0:
        return None
    return (int(bids[0]) + int(asks[0])) // 2
