"""Who moved which energy and who paid what: the books of a lot's run, closed to the last unit.

Energy balances in whole Wh and money in whole micro-euro; what arises nowhere else is a named
account (losses, wear, the cable's residual), never a difference that is left unsaid.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from trading.lot.physics import SECONDS_PER_HOUR
from trading.lot.simulation import LotRun
from trading.units import Int64Array, cost_ueur


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyBalance:
    """Whole Wh: grid + roof + sellers' discharge = kept in batteries + losses.

    Attributes:
        grid_wh: drawn from the grid at the connection.
        pv_wh: from the roof into the lot.
        export_wh: from the roof into the grid; no part of the balance.
        sellers_wh: fed in by sellers at their meters.
        buyers_wh: taken by buyers at their meters.
        cable_wh: lost in the lot's cables, borne by the lot's operator.
        kept_wh: change of all batteries' content from arrival to departure.
        charge_loss_wh: borne by whoever charges.
        discharge_loss_wh: borne by sellers.
    """

    grid_wh: int
    pv_wh: int
    export_wh: int
    sellers_wh: int
    buyers_wh: int
    cable_wh: int
    kept_wh: int
    charge_loss_wh: int
    discharge_loss_wh: int

    @property
    def residual_wh(self) -> int:
        """What the balance fails to explain; always 0."""
        supplied = self.grid_wh + self.pv_wh + self.sellers_wh - self.cable_wh
        batteries_gave = self.sellers_wh + self.discharge_loss_wh
        return supplied - (self.kept_wh + batteries_gave + self.charge_loss_wh)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyBalance:
    """Whole micro-euro; incomes positive, payments negative; they add up to 0.

    Attributes:
        drivers: all drivers together, replacement and wear included.
        lot_energy: the lot's operator, for grid energy and the roof's, less what it pays the
            network and for leavers.
        lot_fee: the lot's operator, the spread of the trades.
        network: the network, for energy drawn at the connection; paid once, by the lot.
        feed_in: whoever pays for the roof's energy fed in; negative, for it pays.
        replacement: suppliers at drivers' homes, for energy missing at departure.
        wear: value lost by sellers' batteries.
    """

    drivers: int
    lot_energy: int
    lot_fee: int
    network: int
    feed_in: int
    replacement: int
    wear: int

    @property
    def residual_ueur(self) -> int:
        """What the balance fails to explain; always 0."""
        return sum(asdict(self).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The closed books of one run.

    Attributes:
        vehicles: one row a session, as in `vehicles.csv`.
        load: one row an interval, as in `load.csv`: mean power in it.
        drivers: one row a session in the order of `vehicles`: net cost, energy missing and state of
            charge at departure, without trading (`_grid_only`) and with it; and wear.
        energy, money: the balances.
        cost_grid_only_ueur, cost_ueur: all drivers' net cost without and with trading,
            replacement and wear included.
        sellers_gain_ueur, buyers_gain_ueur: what trading left sellers and buyers better off.
        missing_grid_only_wh, missing_wh: battery content short of the need at departure.
        replacement_grid_only_ueur, replacement_ueur: what the missing energy costs at home.
    """

    vehicles: pd.DataFrame
    load: pd.DataFrame
    drivers: pd.DataFrame
    energy: EnergyBalance
    money: MoneyBalance
    cost_grid_only_ueur: int
    cost_ueur: int
    sellers_gain_ueur: int
    buyers_gain_ueur: int
    missing_grid_only_wh: int
    missing_wh: int
    replacement_grid_only_ueur: int
    replacement_ueur: int

    @property
    def peak_grid_only_w(self) -> int:
        """Highest mean power of an interval from the grid, nobody trading."""
        return int(self.load["grid_only_w"].max())

    @property
    def peak_with_p2p_w(self) -> int:
        """Highest mean power of an interval from the grid, with trading."""
        return int(self.load["with_p2p_w"].max())


def accounts_of(run: LotRun) -> Accounts:
    """Close the books of `run`.

    `paid_grid_ueur` of a seller includes the grid energy that replaced what it sold and did not
    deliver; `missing_wh` is battery content, its replacement is bought at the meter at home.
    """
    stays, terms, efficiency = run.stays, run.terms, run.stays.rules.efficiency
    drawn = run.from_grid_wh + run.from_peers_wh
    stored, gave = run.gained_wh, run.gave_wh
    content = stays.content_wh + stored - gave
    target = efficiency.stored(stays.need_wh)
    missing = np.maximum(target - stored + gave, 0)
    missing_alone = np.maximum(target - run.alone_gained_wh, 0)

    def replaced(wh: Int64Array) -> Int64Array:
        return cost_ueur(efficiency.charge_for(wh), run.replacements)

    agreed = run.trades
    paid_peers = _by_session(run, agreed, "buyer_id", "cost_ueur") - run.refund_ueur
    earned = _by_session(run, agreed, "seller_id", "income_ueur")
    paid_grid = run.grid_bill_ueur
    wear = cost_ueur(run.to_peers_wh, terms.wear)
    net = paid_grid + paid_peers - earned + replaced(missing) + wear
    net_alone = run.alone_bill_ueur + replaced(missing_alone)
    gain = net_alone - net
    network = int(run.grid_wh.sum()) * terms.network_charge // 1_000
    edges = np.append(run.start_s, run.start_s[-1] + stays.rules.metered_s)
    fed_in = int((run.export_wh * terms.feed_in_over(edges)).sum()) // 1_000

    vehicles = pd.DataFrame(
        {
            "session_id": stays.ids,
            "role": stays.role,
            "arrival": stays.table["arrival"],
            "departure": stays.table["departure"],
            "battery_capacity_wh": stays.capacity_wh,
            "soc_arrival": (stays.content_wh / stays.capacity_wh).round(6),
            "soc_departure": (content / stays.capacity_wh).round(6),
            "need_wh": stays.need_wh,
            "from_peers_wh": run.from_peers_wh,
            "from_grid_wh": run.from_grid_wh,
            "to_peers_wh": run.to_peers_wh,
            "missing_wh": missing,
            "paid_peers_ueur": paid_peers,
            "paid_grid_ueur": paid_grid,
            "earned_ueur": earned,
            "replacement_cost_ueur": replaced(missing),
        }
    )
    order = vehicles.sort_values(["arrival", "session_id"]).index
    alone = (stays.content_wh + run.alone_gained_wh) / stays.capacity_wh
    drivers = pd.DataFrame(
        {
            "session_id": stays.ids,
            "soc_departure_grid_only": alone.round(6),
            "soc_departure": vehicles["soc_departure"],
            "missing_grid_only_wh": missing_alone,
            "missing_wh": missing,
            "drawn_grid_only_wh": run.alone_wh,
            "paid_grid_only_ueur": run.alone_bill_ueur,
            "replacement_grid_only_ueur": replaced(missing_alone),
            "wear_ueur": wear,
            "net_cost_grid_only_ueur": net_alone,
            "net_cost_ueur": net,
        }
    )
    return Accounts(
        vehicles=vehicles.loc[order].reset_index(drop=True),
        drivers=drivers.loc[order].reset_index(drop=True),
        load=load_of(run),
        energy=EnergyBalance(
            grid_wh=int(run.grid_wh.sum()),
            pv_wh=int(run.pv_wh.sum()),
            export_wh=int(run.export_wh.sum()),
            sellers_wh=int(run.to_peers_wh.sum()),
            buyers_wh=int(run.from_peers_wh.sum()),
            cable_wh=int(run.cable_loss_wh.sum()),
            kept_wh=int((content - stays.content_wh).sum()),
            charge_loss_wh=int((drawn - stored).sum()),
            discharge_loss_wh=int((gave - run.to_peers_wh).sum()),
        ),
        money=MoneyBalance(
            drivers=-int(net.sum()),
            lot_energy=int(paid_grid.sum()) + fed_in - network - int(run.refund_ueur.sum()),
            lot_fee=int((agreed["cost_ueur"] - agreed["income_ueur"]).sum()),
            network=network,
            feed_in=-fed_in,
            replacement=int(replaced(missing).sum()),
            wear=int(wear.sum()),
        ),
        cost_grid_only_ueur=int(net_alone.sum()),
        cost_ueur=int(net.sum()),
        sellers_gain_ueur=int(gain[stays.is_seller].sum()),
        buyers_gain_ueur=int(gain[stays.is_buyer].sum()),
        missing_grid_only_wh=int(missing_alone.sum()),
        missing_wh=int(missing.sum()),
        replacement_grid_only_ueur=int(replaced(missing_alone).sum()),
        replacement_ueur=int(replaced(missing).sum()),
    )


def load_of(run: LotRun) -> pd.DataFrame:
    """Mean power of each interval in whole W: from the grid alone, with trading, from peers."""
    step = run.stays.rules.metered_s

    def mean_w(wh: Int64Array) -> Int64Array:
        return wh * SECONDS_PER_HOUR // step

    return pd.DataFrame(
        {
            "time": pd.to_datetime(run.start_s, unit="s", utc=True).as_unit("us"),
            "grid_only_w": mean_w(run.grid_only_wh),
            "with_p2p_w": mean_w(run.grid_wh),
            "p2p_w": mean_w(run.peers_wh),
        }
    )


def _by_session(run: LotRun, trades: pd.DataFrame, party: str, amount: str) -> Int64Array:
    sums = trades.groupby(party)[amount].sum()
    return sums.reindex(run.stays.ids, fill_value=0).to_numpy(np.int64)
