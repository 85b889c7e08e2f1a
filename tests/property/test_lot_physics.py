"""What holds in any lot: limits, balances and floors, whatever equipment, tariff and market."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lot_sessions import DAY_START, sessions
from trading.lot import (
    Acceptance,
    Charger,
    Efficiency,
    Lot,
    LotRules,
    PartLoad,
    Profile,
    Site,
    Stays,
    Terms,
    accounts_of,
    intervals_of,
    simulate_lot,
    uncontested,
)
from trading.lot.optimal import best_charging
from trading.market import MECHANISMS, PRIORITIES
from trading.market.pricing import PRICINGS

CURVE = Efficiency(
    part_load=(
        PartLoad(below=0.1, charge_ppm=800_000, discharge_ppm=780_000),
        PartLoad(below=0.5, charge_ppm=900_000, discharge_ppm=890_000),
    )
)
HOURLY = st.lists(st.integers(-200_000, 900_000), min_size=24, max_size=24)
POWERS = st.lists(st.integers(0, 30_000), min_size=24, max_size=24)


@st.composite
def sites(draw) -> Site:
    return Site(
        connection_w=draw(st.none() | st.integers(0, 40_000)),
        background_w=Profile.daily(draw(POWERS), zone="America/Los_Angeles"),
        pv_w=Profile.daily(draw(POWERS), zone="America/Los_Angeles"),
        cable_w=draw(st.none() | st.integers(0, 40_000)),
        cable_loss_ppm=draw(st.sampled_from([0, 20_000])),
        charger=draw(
            st.sampled_from(
                [
                    None,
                    Charger.ac(phases=1, current_a=32, bidirectional=True),
                    Charger.ac(phases=3, current_a=16),
                    Charger.dc(power_w=50_000, bidirectional=True),
                ]
            )
        ),
        chargers=draw(st.none() | st.integers(1, 4)),
    )


SCHEMES = [None, *PRICINGS, "fixed:0.40", "fraction:0.9", "mid-market:feed-in", "supply-demand:0.3"]


@st.composite
def lots(draw) -> tuple[LotRules, Terms, str]:
    interval_s = draw(st.sampled_from([900, 1800]))
    rules = LotRules(
        interval_s=interval_s,
        departures=draw(st.sampled_from(["actual", "estimated"])),
        efficiency=draw(st.sampled_from([Efficiency(), CURVE])),
        acceptance=draw(st.none() | st.just(Acceptance())),
        site=draw(sites()),
        strategy=draw(st.sampled_from(["at-once", "latest", "cheapest"])),
        arbitrage=draw(st.booleans()),
        v2g_cap_wh=draw(st.none() | st.integers(0, 5_000)),
        reserve_soc=draw(st.sampled_from([0.0, 0.83])),
        meter_s=draw(st.sampled_from([None, 300])),
        smallest_trade_wh=draw(st.sampled_from([1, 100])),
        merge_small=draw(st.booleans()),
        v2g_share=1.0,
    )
    mechanism = draw(st.sampled_from(sorted(MECHANISMS)))
    tariff = Profile.daily(draw(HOURLY), zone="America/Los_Angeles")
    terms = Terms(
        tariff=draw(st.none() | st.just(tariff)),
        pricing=draw(st.sampled_from(SCHEMES)),
        replacement_spread=draw(st.sampled_from([0.0, 0.5])),
        network_charge=80_000,
        shortfall=draw(st.sampled_from(["leaver", "lot"])),
        limits=mechanism not in PRIORITIES or draw(st.booleans()),
    )
    return rules, terms, mechanism


@given(table=sessions(), lot=lots())
def test_energy_and_money_balance_in_any_lot(table, lot):
    rules, terms, mechanism = lot
    run = simulate_lot(table, rules=rules, terms=terms, mechanism=MECHANISMS[mechanism])
    books = accounts_of(run)
    assert books.energy.residual_wh == 0
    assert books.money.residual_ueur == 0
    assert run.peers_wh.sum() == run.from_peers_wh.sum() == run.to_peers_wh.sum()
    assert run.trades["energy_wh"].sum() == run.peers_wh.sum() + run.shortfall_wh
    at_meters = run.from_grid_wh.sum() + run.cable_loss_wh.sum()
    assert run.grid_wh.sum() + run.pv_wh.sum() == at_meters
    for energy in (run.grid_wh, run.pv_wh, run.export_wh, run.from_grid_wh, run.cable_loss_wh):
        assert (energy >= 0).all()


@given(table=sessions(), lot=lots())
def test_connection_cables_and_roof_are_never_overdrawn(table, lot):
    rules, terms, mechanism = lot
    run = simulate_lot(table, rules=rules, terms=terms, mechanism=MECHANISMS[mechanism])
    edges = np.append(run.start_s, run.start_s[-1] + rules.metered_s)
    assert (run.pv_wh + run.export_wh <= rules.site.pv_wh(edges)).all()
    connection = rules.site.connection_wh(edges)
    if connection is not None:
        # Losses of energy between peers have to come from somewhere, even behind a full connection.
        assert (run.grid_wh <= np.maximum(connection, run.cable_loss_wh)).all()
    cable = rules.site.cable_wh(edges)
    if cable is not None:
        into_vehicles = run.grid_wh + run.pv_wh - run.cable_loss_wh + run.peers_wh
        assert (into_vehicles <= cable).all()


@given(table=sessions(), lot=lots())
def test_batteries_stay_between_empty_and_full_and_sellers_above_their_floor(table, lot):
    rules, terms, mechanism = lot
    stays = Stays(table, rules)
    state = Lot(stays, terms)
    kept = np.where(stays.is_seller, np.minimum(stays.kept_wh, stays.content_wh), 0)
    for interval in intervals_of(stays):
        offers = state.offers(interval)
        drawn, sold = state.drawn_wh.copy(), state.to_peers_wh.copy()
        fills = None
        if offers is not None and offers.price is not None:
            fills = MECHANISMS[mechanism](offers.book, offers.price)
        state.flow(interval, fills if fills is not None and len(fills) else None)
        assert (state.content_wh >= kept).all()
        assert (state.content_wh <= stays.capacity_wh).all()
        charges, discharges = state.drawn_wh > drawn, state.to_peers_wh > sold
        assert not (charges & discharges).any()
        assert not (discharges & ~stays.is_seller).any()
    if rules.v2g_cap_wh is not None:
        assert (state.to_peers_wh <= rules.v2g_cap_wh).all()
    if "v2g_cap_wh" in stays.table:
        assert (state.to_peers_wh <= stays.table["v2g_cap_wh"]).all()
    kept_wh = np.maximum(rules.reserve_soc, stays.table["reserve_soc"]) * stays.capacity_wh
    assert (state.content_wh >= kept_wh - 1e-6)[state.to_peers_wh > 0].all()
    if not rules.arbitrage:
        assert (state.gave_wh <= np.maximum(stays.content_wh - kept, 0)).all()


@given(table=sessions(), lot=lots())
def test_no_peer_price_is_negative_or_outside_the_limits_of_its_time(table, lot):
    rules, terms, mechanism = lot
    run = simulate_lot(
        table, rules=rules, terms=replace(terms, limits=True), mechanism=MECHANISMS[mechanism]
    )
    starts = run.trades["interval_start"].astype("int64").to_numpy() // 1_000_000
    spans = np.column_stack((starts, starts + rules.interval_s))
    tariff = np.array([terms.buy_over(span)[0] for span in spans], np.int64)
    seller = run.trades["seller_price_ueur_per_kwh"].to_numpy()
    buyer = run.trades["price_ueur_per_kwh"].to_numpy()
    assert (seller >= 0).all()
    assert (buyer <= tariff).all()
    floors = terms.floors(run.replacements, rules.guarantee, rules.efficiency)
    codes = np.searchsorted(run.stays.ids, run.trades["seller_id"].to_numpy(dtype=object))
    assert (seller >= floors[codes]).all()


@st.composite
def traders(draw: st.DrawFn) -> pd.DataFrame:
    """One to three buyers and as many sellers, there together for an hour or more."""
    rows = []
    for n in range(draw(st.integers(1, 3))):
        rows.append(_trader(f"b{n}", 0.3, draw(st.integers(100, 20_000)), draw(LASTS_S)))
        rows.append(_trader(f"s{n}", 0.95, 0, draw(LASTS_S)))
    frame = pd.DataFrame(rows)
    for name in ("arrival", "departure", "estimated_departure"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


LASTS_S = st.integers(3_600, 4 * 3_600)


def _trader(name: str, soc: float, need_wh: int, lasts_s: int) -> dict[str, object]:
    return {
        "session_id": name,
        "arrival": DAY_START - pd.Timedelta("10min"),
        "departure": DAY_START + pd.Timedelta(seconds=lasts_s),
        "estimated_departure": pd.NaT,
        "battery_capacity_wh": 60_000,
        "soc_arrival": soc,
        "soc_source": "declared",
        "need_wh": need_wh,
        "charge_power_w": 6_656,
        "discharge_power_w": 6_656,
        "reserve_soc": 0.0,
    }


@given(
    table=traders(),
    quarters=st.lists(st.integers(0, 900_000), min_size=8 * 4, max_size=8 * 4),
    mechanism=st.sampled_from(sorted(MECHANISMS)),
    meter_s=st.sampled_from([300, 900, 1_800, None]),
)
def test_no_buyer_pays_more_than_alone_where_the_tariff_changes_within_an_interval(
    table, quarters, mechanism, meter_s
):
    starts = pd.date_range(DAY_START - pd.Timedelta("2h"), periods=len(quarters), freq="15min")
    terms = Terms(tariff=Profile.series(starts, quarters), replacement=50_000)
    rules = LotRules(interval_s=3_600, meter_s=meter_s, v2g_share=1.0)
    run = simulate_lot(table, rules=rules, terms=terms, mechanism=MECHANISMS[mechanism])
    paid = accounts_of(run).vehicles["paid_peers_ueur"].to_numpy()
    more = run.grid_bill_ueur - run.refund_ueur + paid - run.alone_bill_ueur
    trades = run.trades.groupby("buyer_id").size().reindex(run.stays.ids).fillna(0).to_numpy()
    # A trade's last Wh can fall between two meter intervals; it is paid all the same.
    whole_wh = trades * (max(quarters) // 1_000 + 1)
    assert (more <= whole_wh)[run.stays.is_buyer].all()


def test_an_hours_price_is_by_its_mean_and_its_ceiling_by_its_cheapest_meter_interval():
    """Dear first or cheap first: what is posted is the same, and no ceiling is above the least."""
    table = pd.DataFrame([_trader("b", 0.3, 9_000, 7_200), _trader("s", 0.95, 0, 7_200)])
    table["estimated_departure"] = pd.to_datetime(table["estimated_departure"], utc=True)
    found = []
    for first, rest in ((600_000, 400_000), (400_000, 600_000)):
        starts = pd.date_range(DAY_START - pd.Timedelta("1h"), periods=16, freq="15min")
        terms = Terms(tariff=Profile.series(starts, [first, rest] * 8), pricing="mid-market")
        stays = Stays(table, LotRules(interval_s=3_600, meter_s=900, v2g_share=1.0))
        lot, interval = Lot(stays, terms), list(intervals_of(stays))[1]
        ceilings, _ = lot.limits(interval.start_s)
        assert set(ceilings.tolist()) == {400_000}
        found.append(lot.posted(interval))
    assert found[0] == found[1]
    assert found[0] is not None


@given(table=sessions(), n=st.integers(1, 3))
def test_no_more_vehicles_are_plugged_in_than_there_are_chargers(table, n):
    stays = Stays(table, LotRules(site=Site(chargers=n)))
    came = pd.Series(table.set_index("session_id")["arrival"]).reindex(stays.ids)
    assert (stays.arrival_s >= came.astype("int64").to_numpy() // 1_000_000).all()
    for at in stays.arrival_s:
        assert ((stays.arrival_s <= at) & (at < stays.departure_s)).sum() <= n


@given(table=sessions(), hourly=HOURLY)
def test_a_cheapest_plan_costs_what_the_linear_program_says_is_least(table, hourly):
    tariff = Profile.daily(hourly, zone="America/Los_Angeles")
    rules = LotRules(strategy="cheapest", acceptance=None, interval_s=900)
    run = simulate_lot(
        table, rules=rules, terms=Terms(tariff=tariff), mechanism=PRIORITIES["pro-rata"]
    )
    best = best_charging(
        run.stays, interval_s=900, tariff_ueur_per_kwh=tariff.at(run.start_s), limit_wh=None
    )
    assert run.alone_wh.sum() == run.stays.need_wh.sum() - best.unserved_wh.sum()
    # Whole Wh: each interval of a stay may keep one back to be sure, at most at the widest spread.
    slack = len(table) * len(run.start_s) * (max(hourly) - min(hourly)) // 1_000
    assert best.grid_cost_ueur - len(table) <= run.alone_bill_ueur.sum()
    assert run.alone_bill_ueur.sum() <= best.grid_cost_ueur + slack


@given(table=sessions(), strategy=st.sampled_from(["latest", "cheapest"]), hourly=HOURLY)
def test_waiting_serves_as_much_as_charging_at_once(table, strategy, hourly):
    terms = Terms(tariff=Profile.daily(hourly, zone="America/Los_Angeles"))
    at_once = LotRules(acceptance=None)
    one = simulate_lot(table, rules=at_once, terms=terms, mechanism=PRIORITIES["pro-rata"])
    waiting = replace(at_once, strategy=strategy)
    other = simulate_lot(table, rules=waiting, terms=terms, mechanism=PRIORITIES["pro-rata"])
    assert (other.alone_wh == one.alone_wh).all()


@settings(max_examples=30)
@given(table=sessions(), meter_s=st.sampled_from([60, 180, 300]))
def test_meter_intervals_move_the_same_energy_as_one_market_interval(table, meter_s):
    plain = LotRules(acceptance=None, strategy="at-once")
    one = simulate_lot(table, rules=plain, terms=Terms(), mechanism=PRIORITIES["pro-rata"])
    fine = replace(plain, meter_s=meter_s)
    other = simulate_lot(table, rules=fine, terms=Terms(), mechanism=PRIORITIES["pro-rata"])
    assert (one.alone_wh == other.alone_wh).all()
    assert other.peers_wh.sum() + other.shortfall_wh == other.trades["energy_wh"].sum()


@given(times=st.lists(st.integers(0, 200), min_size=2, max_size=12, unique=True), data=st.data())
def test_what_a_series_adds_up_to_is_its_sum_minute_by_minute(times, data):
    starts = pd.DatetimeIndex(pd.to_datetime([t * 60 for t in sorted(times)], unit="s", utc=True))
    values = data.draw(st.lists(st.integers(-9, 9), min_size=len(times), max_size=len(times)))
    series = Profile.series(starts, values)
    first, last = min(times), 2 * sorted(times)[-1] - sorted(times)[-2]
    edges = data.draw(
        st.lists(st.integers(first, last), min_size=2, max_size=6, unique=True).map(sorted)
    )
    seconds = np.array(edges) * 60
    plain = [
        sum(int(series.at(np.array([m * 60]))[0]) * 60 for m in range(a, b))
        for a, b in pairwise(edges)
    ]
    assert series.over(seconds).tolist() == plain


@given(table=sessions(), meter_s=st.sampled_from([60, 300]))
def test_shorter_meter_intervals_leave_next_to_nothing_undelivered(table, meter_s):
    rules = LotRules(interval_s=1800, meter_s=meter_s)
    run = simulate_lot(table, rules=rules, terms=Terms(), mechanism=PRIORITIES["pro-rata"])
    assert run.shortfall_wh <= len(run.trades) * (rules.interval_s // meter_s)


def otherwise(start_s: int, trades: pd.DataFrame) -> pd.DataFrame:
    """A ledger that agrees to what nobody offered: now and then parties swapped, or more energy."""
    swapped = trades.rename(columns={"buyer_id": "seller_id", "seller_id": "buyer_id"})
    more = trades.assign(energy_wh=trades["energy_wh"] * 3)
    return (trades, swapped, more)[start_s // 900 % 3]


@given(table=sessions(), lot=lots(), agree=st.sampled_from([None, otherwise]))
def test_a_connection_that_never_binds_changes_nothing(table, lot, agree):
    # With one, everyone's charging is worked out interval by interval; without, mostly ahead.
    rules, terms, mechanism = lot
    site = replace(rules.site, connection_w=None, cable_w=None)
    free = replace(rules, strategy="at-once", efficiency=Efficiency(), site=site)
    wide = replace(free, site=replace(site, connection_w=1_000_000_000))
    runs = [
        simulate_lot(table, rules=each, terms=terms, mechanism=MECHANISMS[mechanism], agree=agree)
        for each in (free, wide)
    ]
    for name in (field.name for field in fields(runs[0])):
        one, other = (getattr(run, name) for run in runs)
        if isinstance(one, np.ndarray):
            assert one.tolist() == other.tolist(), name
        elif isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        elif isinstance(one, int):
            assert one == other, name


@given(table=sessions(), lot=lots())
def test_time_without_trades_passes_alike_in_one_go_and_interval_by_interval(table, lot):
    rules, terms, _ = lot
    stays = Stays(table, rules)
    at_once, stepped = uncontested(stays, terms), Lot(stays, terms)
    for interval in intervals_of(stays):
        stepped.flow(interval, None)
    assert stepped.drawn_wh.tolist() == at_once.drawn_wh.tolist()
    assert stepped.gained_wh.tolist() == at_once.gained_wh.tolist()
    assert stepped.grid_bill_ueur.tolist() == at_once.grid_bill_ueur.tolist()
    for name in (field.name for field in fields(stepped.flows)):
        assert getattr(stepped.flows, name).tolist() == getattr(at_once.flows, name).tolist()
