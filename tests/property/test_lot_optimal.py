"""The best charging, held to every limit in whole Wh, to plain searches and to what lots do."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lot_sessions import DAY_START, sessions
from tests.reference_flow import Network
from trading.errors import OptionError, SolverError
from trading.lot import LotRules, Stays, Terms, simulate_lot
from trading.lot.optimal import Optimum, PeerCosts, best_charging, interval_starts
from trading.market import PRIORITIES

RULES = LotRules(interval_s=900, gate_lead_s=0)
FLOOR = Terms().floor("consent", RULES.efficiency)
# Above any chain of prices, so that serving more always comes before cost.
SERVED = 10_000
tariffs = st.sampled_from([[500_000], [-50_000, 0, 200_000, 600_000], [1, 2, 3]])
peer_costs = st.none() | st.sampled_from([0, FLOOR, 700_000]).map(
    lambda floor: PeerCosts(floor_ueur_per_kwh=floor)
)
limits = st.none() | st.sampled_from([0, 1, 700, 3_000])


def lot_of(rows: list[dict]) -> Stays:
    frame = pd.DataFrame(rows)
    for column in ("arrival", "departure", "estimated_departure"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return Stays(frame, RULES)


def stay(
    number: int,
    *,
    since_s: int = 0,
    until_s: int = 2_700,
    soc: float = 0.3,
    need_wh: int = 6,
    power_w: int = 24,
    for_sale_wh: int = 0,
) -> dict:
    """Of a few Wh: 24 W feed 6 Wh in a quarter of an hour. A seller has a SoC of 0.9.

    With 1 Wh more than `for_sale_wh` in the battery, up to 13 Wh come out at the meter.
    """
    capacity_wh = 10_000
    return {
        "session_id": f"s{number}",
        "arrival": DAY_START + pd.Timedelta(seconds=since_s),
        "departure": DAY_START + pd.Timedelta(seconds=until_s),
        "estimated_departure": pd.NaT,
        "battery_capacity_wh": capacity_wh,
        "soc_arrival": soc,
        "soc_source": "declared",
        "need_wh": need_wh,
        "charge_power_w": power_w,
        "discharge_power_w": power_w,
        "reserve_soc": soc - (for_sale_wh + 1) / capacity_wh if soc > 0.8 else 0.0,
    }


@st.composite
def tiny_lots(draw: st.DrawFn, *, max_sellers: int = 0) -> Stays:
    """Buyers, neutral vehicles and sellers of a few Wh in at most three quarters of an hour."""
    rows = []
    socs = [draw(st.sampled_from([0.3, 0.7])) for _ in range(draw(st.integers(1, 3)))]
    for soc in socs + [0.9] * draw(st.integers(0, max_sellers)):
        since_s = draw(st.integers(0, 2_000))
        rows.append(
            stay(
                len(rows),
                since_s=since_s,
                until_s=draw(st.integers(since_s + 1, 2_700)),
                soc=soc,
                need_wh=draw(st.integers(0, 9)),
                power_w=draw(st.sampled_from([8, 13, 24])),
                for_sale_wh=draw(st.integers(1, 9)),
            )
        )
    return lot_of(rows)


def solved(stays: Stays, tariff: int | np.ndarray = 500_000, **options) -> Optimum:
    return best_charging(stays, interval_s=RULES.interval_s, tariff_ueur_per_kwh=tariff, **options)


def spread(stays: Stays, prices: list[int]) -> np.ndarray:
    n = len(interval_starts(stays, interval_s=RULES.interval_s))
    return np.resize(np.array(prices, np.int64), n)


def rooms(stays: Stays) -> tuple[np.ndarray, np.ndarray]:
    step = RULES.interval_s
    starts = interval_starts(stays, interval_s=step).tolist()
    return (
        np.stack([stays.chargeable_wh(start, start + step) for start in starts], axis=1),
        np.stack([stays.dischargeable_wh(start, start + step) for start in starts], axis=1),
    )


def cost_of(optimum: Optimum, tariff: np.ndarray, floor: int = 0) -> int:
    """Micro-euro times 1000, so that nothing is rounded."""
    return int((optimum.grid_wh * tariff).sum()) + floor * int(optimum.to_peers_wh.sum())


def rank(optimum: Optimum, tariff: np.ndarray, floor: int = 0) -> tuple[int, int]:
    return int(optimum.unserved_wh.sum()), cost_of(optimum, tariff, floor)


def plain_rank(
    stays: Stays,
    tariff: np.ndarray,
    *,
    floor: int = 0,
    limit_wh: int | None = None,
    modes: dict[tuple[int, int], bool] | None = None,
) -> tuple[int, int]:
    """The best (unserved, cost) by cheapest paths; `modes` says when each seller may sell."""
    charge, discharge = rooms(stays)
    unit = SERVED * (1 + int(np.abs(tariff).max()) + floor)
    network = Network()
    for t, price in enumerate(tariff.tolist()):
        most = int(charge.sum()) if limit_wh is None else limit_wh
        network.add("source", ("grid", t), most, price)
        for i, most in enumerate(charge[:, t].tolist()):
            if (modes or {}).get((i, t)):
                continue
            network.add(("grid", t), ("charger", i, t), most, 0)
            network.add(("charger", i, t), ("need", i), most, 0)
            if modes is not None and stays.is_buyer[i]:
                network.add(("peers", t), ("charger", i, t), most, 0)
    for i, need in enumerate(stays.need_wh.tolist()):
        network.add(("need", i), "sink", need, -unit)
    for i in np.flatnonzero(stays.is_seller).tolist() if modes is not None else []:
        network.add("source", ("seller", i), int(stays.ask_cap_wh[i]), floor)
        for t, most in enumerate(discharge[i].tolist()):
            if modes.get((i, t)):
                network.add(("seller", i), ("peers", t), most, 0)
    gain = network.gain()
    served = -(-gain // unit)
    if served * unit - gain > unit // 2:
        served -= 1
    return int(stays.need_wh.sum()) - served, served * unit - gain


@given(table=sessions(), prices=tariffs, limit=limits, peers=peer_costs)
def test_no_limit_is_passed_and_energy_is_conserved_to_the_wh(table, prices, limit, peers):
    stays = Stays(table, RULES)
    best = solved(stays, spread(stays, prices), limit_wh=limit, peers=peers)
    charge, discharge = rooms(stays)
    grid, bought, sold = (np.zeros_like(charge) for _ in range(3))
    at = (best.flows.session, best.flows.interval)
    grid[at], bought[at], sold[at] = (
        best.flows.grid_wh,
        best.flows.bought_wh,
        best.flows.sold_wh,
    )
    assert min(grid.min(), bought.min(), sold.min()) >= 0
    assert (grid + bought <= charge).all()
    assert (sold <= discharge).all()
    assert not ((grid + bought > 0) & (sold > 0)).any()
    assert (bought.sum(axis=0) == sold.sum(axis=0)).all()
    assert (bought.sum(axis=1) <= stays.bid_cap_wh).all()
    assert (sold.sum(axis=1) <= stays.ask_cap_wh).all()
    assert limit is None or (grid.sum(axis=0) <= limit).all()
    assert (best.grid_wh == grid.sum(axis=0)).all()
    assert (best.peers_wh == sold.sum(axis=0)).all()
    assert (best.from_grid_wh == grid.sum(axis=1)).all()
    assert (best.from_peers_wh == bought.sum(axis=1)).all()
    assert (best.to_peers_wh == sold.sum(axis=1)).all()
    assert (best.from_grid_wh + best.from_peers_wh + best.unserved_wh == stays.need_wh).all()
    assert (best.unserved_wh >= 0).all()
    assert peers is not None or not bought.any()


@given(stays=tiny_lots(), prices=tariffs, limit=st.none() | st.integers(0, 8))
def test_without_peers_a_plain_search_serves_no_more_and_no_cheaper(stays, prices, limit):
    tariff = spread(stays, prices)
    best = solved(stays, tariff, limit_wh=limit)
    assert rank(best, tariff) == plain_rank(stays, tariff, limit_wh=limit)


@settings(max_examples=30)
@given(
    stays=tiny_lots(max_sellers=2),
    prices=tariffs,
    limit=st.none() | st.integers(0, 8),
    floor=st.sampled_from([0, FLOOR, 700_000]),
)
def test_with_peers_no_choice_of_selling_intervals_is_better(stays, prices, limit, floor):
    tariff = spread(stays, prices)
    peers = PeerCosts(floor_ueur_per_kwh=floor)
    best = solved(stays, tariff, limit_wh=limit, peers=peers, gap=0.0)
    _, discharge = rooms(stays)
    where = np.argwhere((discharge > 0) & stays.is_seller[:, None]).tolist()
    choices = (
        {(i, t): sells for (i, t), sells in zip(where, choice, strict=True)}
        for choice in product([False, True], repeat=len(where))
    )
    plain = min(
        plain_rank(stays, tariff, floor=floor, limit_wh=limit, modes=modes) for modes in choices
    )
    assert best.is_proven
    assert rank(best, tariff, floor) == plain


@given(stays=tiny_lots(), limit=st.none() | st.integers(0, 8))
def test_at_a_flat_tariff_no_lower_peak_serves_as_much(stays, limit):
    best = solved(stays, limit_wh=limit)
    tariff = spread(stays, [500_000])
    peak_wh = int(best.grid_wh.max(initial=0))
    unserved = int(best.unserved_wh.sum())
    if peak_wh:
        assert plain_rank(stays, tariff, limit_wh=peak_wh - 1)[0] > unserved
    assert plain_rank(stays, tariff, limit_wh=peak_wh)[0] == unserved


@given(table=sessions(), prices=tariffs)
def test_uncontrolled_charging_is_neither_cheaper_nor_flatter_than_v1g(table, prices):
    stays = Stays(table, RULES)
    tariff = spread(stays, prices)
    edges = [*interval_starts(stays, interval_s=900).tolist()]
    rooms_wh = [stays.chargeable_wh(stays.arrival_s, edge) for edge in [*edges, edges[-1] + 900]]
    drawn = np.array([int(np.minimum(stays.need_wh, room).sum()) for room in rooms_wh])
    uncontrolled = np.diff(drawn)
    best = solved(stays, tariff)
    assert best.grid_wh.sum() == uncontrolled.sum()
    assert (best.grid_wh * tariff).sum() <= (uncontrolled * tariff).sum()
    assert solved(stays).grid_wh.max() <= uncontrolled.max()


@given(table=sessions(), prices=tariffs, limit=limits, floor=st.sampled_from([0, FLOOR, 900_000]))
def test_peers_never_serve_less_nor_cost_more(table, prices, limit, floor):
    stays = Stays(table, RULES)
    tariff = spread(stays, prices)
    alone = solved(stays, tariff, limit_wh=limit)
    peers = PeerCosts(floor_ueur_per_kwh=floor)
    both = solved(stays, tariff, limit_wh=limit, peers=peers)
    assert rank(both, tariff, floor) <= rank(alone, tariff)


@given(table=sessions(), mechanism=st.sampled_from(sorted(PRIORITIES)))
def test_no_run_of_the_lot_is_cheaper_than_the_optimum_with_peers(table, mechanism):
    # A battery that tapers may draw less than it needs, which is cheaper and no merit.
    rules = replace(RULES, acceptance=None)
    run = simulate_lot(table, rules=rules, terms=Terms(), mechanism=PRIORITIES[mechanism])
    tariff = Terms().lot_tariff
    best = solved(run.stays, tariff, peers=PeerCosts(floor_ueur_per_kwh=FLOOR), gap=0.0)
    cost = tariff * int(run.grid_wh.sum()) + FLOOR * int(run.to_peers_wh.sum())
    assert cost_of(best, np.full(len(best.grid_wh), tariff), FLOOR) <= cost


@settings(max_examples=25)
@given(table=sessions(), limit=limits, data=st.data())
def test_row_order_changes_nothing(table, limit, data):
    shuffled = table.iloc[data.draw(st.permutations(range(len(table))))]
    peers = PeerCosts(floor_ueur_per_kwh=FLOOR)
    one, other = (
        solved(Stays(rows, RULES), limit_wh=limit, peers=peers) for rows in (table, shuffled)
    )
    assert (one.flows.grid_wh == other.flows.grid_wh).all()
    assert (one.flows.sold_wh == other.flows.sold_wh).all()


@settings(max_examples=25)
@given(table=sessions(max_stays=5), limit=limits)
def test_days_apart_are_solved_as_each_by_itself(table, limit):
    later = table.copy()
    later["session_id"] = "t" + later["session_id"]
    for column in ("arrival", "departure", "estimated_departure"):
        later[column] += pd.Timedelta(days=3)
    peers = PeerCosts(floor_ueur_per_kwh=FLOOR)
    one = solved(Stays(table, RULES), limit_wh=limit, peers=peers)
    both = solved(Stays(pd.concat([table, later]), RULES), limit_wh=limit, peers=peers)
    n = len(table)
    for name in ("from_grid_wh", "from_peers_wh", "to_peers_wh", "unserved_wh"):
        assert (getattr(both, name)[:n] == getattr(one, name)).all()
        assert (getattr(both, name)[n:] == getattr(one, name)).all()


def test_the_cheapest_hours_are_used_and_paid_energy_is_not_drawn_twice() -> None:
    stays = lot_of([stay(0, need_wh=9)])
    best = solved(stays, np.array([300_000, -10_000, 100_000]))
    assert best.grid_wh.tolist() == [0, 6, 3]
    assert best.grid_cost_ueur == (6 * -10_000 + 3 * 100_000) // 1_000


def test_a_buyer_is_served_by_a_seller_below_the_tariff_and_not_above() -> None:
    stays = lot_of([stay(0), stay(1, soc=0.9, need_wh=0, for_sale_wh=4)])
    cheap = solved(stays, peers=PeerCosts(floor_ueur_per_kwh=499_999))
    assert cheap.to_peers_wh.tolist() == [0, 4]
    assert cheap.from_peers_wh.tolist() == [4, 0]
    assert cheap.cost_ueur == 2 * 500_000 // 1_000 + 4 * 499_999 // 1_000
    dear = solved(stays, peers=PeerCosts(floor_ueur_per_kwh=500_001))
    assert not dear.to_peers_wh.any()


def test_each_seller_may_have_a_floor_of_its_own() -> None:
    rows = [stay(0), *(stay(n, soc=0.9, need_wh=0, for_sale_wh=4) for n in (1, 2))]
    floors = np.array([0, 400_000, 300_000])
    best = solved(lot_of(rows), peers=PeerCosts(floor_ueur_per_kwh=floors))
    assert best.to_peers_wh.tolist() == [0, 2, 4]
    assert best.peers_cost_ueur == (2 * 400_000 + 4 * 300_000) // 1_000


def test_a_seller_with_time_for_one_thing_charges_first() -> None:
    busy = stay(1, until_s=900, soc=0.9, need_wh=1, for_sale_wh=4)
    stays = lot_of([stay(0, until_s=900), busy])
    best = solved(stays, peers=PeerCosts(floor_ueur_per_kwh=0))
    assert best.unserved_wh.sum() == 0
    assert not best.to_peers_wh.any()


def test_a_lot_without_sellers_or_buyers_is_v1g() -> None:
    peers = PeerCosts(floor_ueur_per_kwh=0)
    for soc in (0.3, 0.9):
        stays = lot_of([stay(0, soc=soc, for_sale_wh=4), stay(1, soc=soc, for_sale_wh=4)])
        alone, both = solved(stays), solved(stays, peers=peers)
        assert (alone.flows.grid_wh == both.flows.grid_wh).all()
        assert not both.peers_wh.any()


def test_a_lot_in_which_nobody_needs_anything_draws_nothing() -> None:
    best = solved(lot_of([stay(0, need_wh=0)]), limit_wh=0)
    assert best.grid_wh.tolist() == [0, 0, 0]
    assert best.unserved_wh.tolist() == [0]


def test_a_limit_below_zero_leaves_nothing() -> None:
    best = solved(lot_of([stay(0)]), limit_wh=-5)
    assert best.unserved_wh.tolist() == [6]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit_wh": np.array([1, 2])}, "3 of them"),
        ({"limit_wh": 1.5}, "whole number"),
        ({"peers": PeerCosts(floor_ueur_per_kwh=-1)}, "0 or more"),
        ({"peers": PeerCosts(floor_ueur_per_kwh=np.array([1, 2]))}, "one a session"),
        ({"gap": -0.1}, "gap=-0.1"),
        ({"interval_s": 0}, "1 s or more"),
    ],
)
def test_what_cannot_be_solved_is_refused(options, said) -> None:
    stays = lot_of([stay(0)])
    with pytest.raises(OptionError, match=said):
        best_charging(stays, **{"interval_s": 900, "tariff_ueur_per_kwh": 1, **options})


def test_peers_under_whole_are_refused_and_v1g_is_not() -> None:
    rules = replace(RULES, guarantee="whole")
    whole = Stays(lot_of([stay(0)]).table, rules)
    assert solved(whole).unserved_wh.tolist() == [0]
    with pytest.raises(OptionError, match="consent"):
        solved(whole, peers=PeerCosts(floor_ueur_per_kwh=1))


def test_a_solver_without_an_answer_says_what_to_do(monkeypatch) -> None:
    class Failed:
        status, x, message = 4, None, "numerical trouble"

    monkeypatch.setattr("scipy.optimize.milp", lambda *_args, **_kwargs: Failed())
    with pytest.raises(SolverError, match=r"numerical trouble.*report the sessions"):
        solved(lot_of([stay(0)]))
