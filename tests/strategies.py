"""What hypothesis draws: fleets, order tables, books, thresholds and prices."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from trading.fleet import Thresholds
from trading.market import OrderBook, PeerPrice, order_side
from trading.tables import MAX_CAPACITY_KWH
from trading.units import MAX_U32

# A few values on purpose: equal SoC, and SoC exactly on a threshold, are where ties are broken.
round_socs = st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.8, 0.95, 1.0])
socs = round_socs | st.floats(0.0, 1.0)
capacities_kwh = st.sampled_from([40.0, 60.0, 80.0, 100.0]) | st.floats(
    0.0, MAX_CAPACITY_KWH, exclude_min=True
)
vehicle_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
small_wh = st.integers(1, 8)
# Few of them, so that limits tie, cross and touch; and the ends of the scale.
limits = st.integers(0, 6) | st.integers(0, 1_000_000) | st.sampled_from([0, MAX_U32])
fees = st.integers(0, 3) | st.integers(0, 200_000)
any_wh = small_wh | st.integers(1, 100_000) | st.integers(1, MAX_U32)


@st.composite
def thresholds(draw: st.DrawFn) -> Thresholds:
    low, high = sorted([draw(socs), draw(socs)])
    return Thresholds(buyer=low, seller=high, strict=draw(st.booleans()))


@st.composite
def fleets(draw: st.DrawFn, *, max_size: int = 12) -> pd.DataFrame:
    ids = draw(st.lists(vehicle_ids, min_size=1, max_size=max_size, unique=True))
    n = len(ids)
    return pd.DataFrame(
        {
            "vehicle_id": ids,
            "battery_capacity_kwh": draw(st.lists(capacities_kwh, min_size=n, max_size=n)),
            "soc": draw(st.lists(socs, min_size=n, max_size=n)),
        }
    )


@st.composite
def order_tables(draw: st.DrawFn, *, max_size: int = 14) -> pd.DataFrame:
    ids = draw(st.lists(vehicle_ids, min_size=1, max_size=max_size, unique=True))
    n = len(ids)
    # All small or all of any size: ties in size and in remainders hardly occur otherwise.
    energy = draw(st.sampled_from([small_wh, any_wh]))
    return pd.DataFrame(
        {
            "vehicle_id": pd.Series(ids, dtype="str"),
            "side": draw(st.lists(st.sampled_from(["buy", "sell"]), min_size=n, max_size=n)),
            "energy_wh": draw(st.lists(energy, min_size=n, max_size=n)),
            "soc": draw(st.lists(socs, min_size=n, max_size=n)),
            "arrival": draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)),
        }
    )


@st.composite
def books(
    draw: st.DrawFn,
    *,
    max_size: int = 14,
    has_limits: bool | None = None,
    energy_wh: st.SearchStrategy[int] | None = None,
) -> OrderBook:
    """A book whose arrays cannot be written to, so that a mechanism that tries is found out."""
    n_buyers, n_sellers = draw(st.integers(0, max_size)), draw(st.integers(0, max_size))
    codes = draw(st.permutations(range(n_buyers + n_sellers)))
    energy = draw(st.sampled_from([small_wh, any_wh])) if energy_wh is None else energy_wh
    sizes = energy | st.just(0) if energy_wh is None else energy
    limit = draw(st.sampled_from([st.integers(0, 6), limits]))
    optional = {
        "limit_price_ueur_per_kwh": (
            limit,
            draw(st.booleans()) if has_limits is None else has_limits,
        ),
        "group": (st.integers(-1, 2), draw(st.booleans())),
        "energy_source": (st.integers(-1, 1), draw(st.booleans())),
    }

    def side(codes: list[int]) -> dict[str, np.ndarray]:
        n = len(codes)
        arrays = {
            "code": np.array(codes, dtype=np.int64),
            "energy_wh": np.array(
                draw(st.lists(sizes, min_size=n, max_size=n)),
                dtype=np.int64,
            ),
            "soc": np.array(draw(st.lists(socs, min_size=n, max_size=n)), dtype=np.float64),
            "arrival": np.array(
                draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)), dtype=np.int64
            ),
        }
        for name, (values, is_there) in optional.items():
            if is_there:
                drawn = draw(st.lists(values, min_size=n, max_size=n))
                arrays[name] = np.array(drawn, dtype=np.int64)
        for array in arrays.values():
            array.setflags(write=False)
        return arrays

    return OrderBook(
        buyers=order_side(**side(list(codes[:n_buyers]))),
        sellers=order_side(**side(list(codes[n_buyers:]))),
    )


@st.composite
def peer_prices(draw: st.DrawFn) -> PeerPrice:
    if draw(st.booleans()):
        fee = draw(fees)
        return PeerPrice(buyer_ueur_per_kwh=fee + 3, seller_ueur_per_kwh=3)
    low, high = sorted([draw(st.integers(0, MAX_U32)), draw(st.integers(0, MAX_U32))])
    return PeerPrice(buyer_ueur_per_kwh=high, seller_ueur_per_kwh=low)
