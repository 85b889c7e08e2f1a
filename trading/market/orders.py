"""Between tables and books: orders out of roles, codes out of ids, a trade table out of fills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import Fault, TableError
from trading.market.book import ALWAYS_S, Fills, OrderBook, order_side
from trading.tables import FLEET, ORDERS, ROLES, TRADES, check
from trading.units import cost_ueur


def orders_of(roles: pd.DataFrame, fleet: pd.DataFrame) -> pd.DataFrame:
    """The orders that Equations (2) and (3) make: a bid a buyer, an ask a seller, none for 0 Wh.

    Args:
        roles: ROLES table.
        fleet: FLEET table of the same vehicles, in any order. A column `arrival`, if there is one,
            gives the order in which vehicles came: times with a zone, or whole numbers. Without it
            every order has arrival 0, so that the mechanism `arrival` goes by vehicle id; the
            order of rows never counts.

    Returns:
        ORDERS table in the order of `roles`; it has no rows where nobody trades.

    Raises:
        TableError: a table breaks its schema, the two do not hold the same vehicles, or `arrival`
            holds neither times with a zone nor whole numbers.
    """
    checked_roles, checked_fleet = check(roles, ROLES), check(fleet, FLEET)
    by_id = checked_fleet.assign(arrival=_arrival(fleet)).set_index("vehicle_id")
    ids = checked_roles["vehicle_id"]
    strangers = ids[~ids.isin(by_id.index)]
    if len(strangers) or len(ids) != len(by_id):
        shown = ", ".join(map(repr, strangers[:5])) or f"{len(by_id) - len(ids)} fewer"
        raise TableError(
            "roles table", [Fault(expected=f"the vehicles of the fleet table, found {shown}")]
        )
    of_fleet = by_id.loc[ids]
    required = checked_roles["required_wh"].to_numpy()
    available = checked_roles["available_wh"].to_numpy()
    table = pd.DataFrame(
        {
            "vehicle_id": ids,
            "side": pd.Series(np.where(required > 0, "buy", "sell"), dtype="str"),
            "energy_wh": np.maximum(required, available),
            "soc": of_fleet["soc"].to_numpy(),
            "arrival": of_fleet["arrival"].to_numpy(),
        }
    )
    return table[table["energy_wh"] > 0].reset_index(drop=True)


def _arrival(fleet: pd.DataFrame) -> npt.NDArray[np.int64]:
    if "arrival" not in fleet.columns:
        return np.zeros(len(fleet), dtype=np.int64)
    arrival = fleet["arrival"]
    is_time = isinstance(arrival.dtype, pd.DatetimeTZDtype)
    if arrival.isna().any() or not (is_time or pd.api.types.is_integer_dtype(arrival.dtype)):
        expected = "times with a zone or whole numbers, and none empty"
        raise TableError("fleet table", [Fault(column="arrival", expected=expected)])
    # Whole microseconds, not seconds: two arrivals within a second keep their order.
    ranks = arrival.dt.as_unit("us") if is_time else arrival
    return ranks.to_numpy(dtype=np.int64)


def checked_orders(table: pd.DataFrame) -> pd.DataFrame:
    """`check` against ORDERS, except that a table with the columns and no rows is no fault."""
    needed = {name for name, column in ORDERS.columns.items() if column.required}
    if table.empty and needed <= set(table.columns):
        return pd.DataFrame(
            {
                "vehicle_id": pd.Series([], dtype="str"),
                "side": pd.Series([], dtype="str"),
                "energy_wh": np.empty(0, dtype=np.int64),
                "soc": np.empty(0, dtype=np.float64),
                "arrival": np.empty(0, dtype=np.int64),
            }
        )
    return check(table, ORDERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedBook:
    """A book and the vehicle id behind each of its codes."""

    book: OrderBook
    vehicle_ids: npt.NDArray[np.object_]


def coded_book(table: pd.DataFrame) -> CodedBook:
    """The book of a checked ORDERS table; codes are ranks of the ids by Unicode code point."""
    vehicle_ids, code = np.unique(table["vehicle_id"].to_numpy(dtype=object), return_inverse=True)
    columns = {
        "code": code,
        **{name: table[name].to_numpy() for name in ("energy_wh", "soc", "arrival")},
        **_optional_columns(table),
    }
    is_bid = (table["side"] == "buy").to_numpy(dtype=bool)
    bids, asks = (
        order_side(**{name: values[rows] for name, values in columns.items()})
        for rows in (np.flatnonzero(is_bid), np.flatnonzero(~is_bid))
    )
    return CodedBook(book=OrderBook(buyers=bids, sellers=asks), vehicle_ids=vehicle_ids)


def _optional_columns(table: pd.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    columns = {
        name: table[name].to_numpy(dtype=np.int64)
        for name in ("limit_price_ueur_per_kwh", "power_limit_w")
        if name in table
    }
    for name, absent in (("earliest", ALWAYS_S[0]), ("latest", ALWAYS_S[1])):
        if name in table:
            seconds = table[name].dt.as_unit("s")
            columns[f"{name}_s"] = np.where(seconds.isna(), absent, seconds.astype("int64"))
    for name in ("group", "energy_source"):
        if name in table:
            texts = table[name].fillna("").to_numpy(dtype=object)
            # The empty text sorts first, but need not be there.
            names, ranks = np.unique(texts, return_inverse=True)
            columns[name] = ranks - int(names[0] == "")
    return columns


def trade_table(fills: Fills, vehicle_ids: npt.NDArray[np.object_]) -> pd.DataFrame:
    """TRADES table of fills, in their order, with Equation (5): C_ij = P * E_ij, rounded down."""
    # Converted before they are taken: texts are looked at in order, once, and not per trade.
    ids = pd.array(vehicle_ids, dtype="str")
    columns = {
        "buyer_id": ids.take(fills.buyer),
        "seller_id": ids.take(fills.seller),
        "energy_wh": fills.energy_wh,
        "price_ueur_per_kwh": fills.price_ueur_per_kwh,
        "cost_ueur": cost_ueur(fills.energy_wh, fills.price_ueur_per_kwh),
        "seller_price_ueur_per_kwh": fills.seller_price_ueur_per_kwh,
        "income_ueur": cost_ueur(fills.energy_wh, fills.seller_price_ueur_per_kwh),
    }
    # In the schema's order from the start: to reorder a table is to copy it.
    return pd.DataFrame({name: columns[name] for name in TRADES.columns})
