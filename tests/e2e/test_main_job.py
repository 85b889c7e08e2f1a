"""The main job on the real day that ships with the package, on the embedded chain."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from trading.data import sample_path
from trading.engine import ENGINE_FAULTS, Consensus, DayOptions, DayResult, Source, run_day
from trading.engine.result import CHAIN_COLUMNS, TRADE_COLUMNS
from trading.lot import LotRules, Profile, Site, Terms, accounts_of, simulate_lot
from trading.market import MECHANISMS
from trading.tables import TRADES, check

REAL_DAY = Source(path=sample_path(), format="acn", date="2019-10-29")


@pytest.fixture(scope="module")
def honest() -> DayResult:
    return run_day(REAL_DAY)


HOURLY = LotRules(interval_s=3600)
"""The same real day in fewer, larger batches: enough of them for what goes wrong in one."""


def with_consensus(**changes) -> DayResult:
    consensus = Consensus(**changes)
    return run_day(REAL_DAY, DayOptions(rules=HOURLY, consensus=consensus, compare=False))


@pytest.fixture(scope="module")
def hourly() -> DayResult:
    return with_consensus()


def is_conserved(result: DayResult) -> bool:
    """No micro-euro is lost on chain, and the lot's books close."""
    wallets = result.wallets
    return (
        wallets["deposited_ueur"].sum() == wallets["withdrawn_ueur"].sum()
        and result.accounts.energy.residual_wh == 0
        and result.accounts.money.residual_ueur == 0
    )


def net_of(result: DayResult) -> pd.Series:
    """What each wallet gained on chain, by session."""
    wallets = result.wallets.set_index("session_id")
    return wallets["withdrawn_ueur"] - wallets["deposited_ueur"]


def test_every_trade_of_the_real_day_is_settled(honest):
    assert len(honest.trades) > 50
    assert (honest.trades["status"] == "settled").all()
    assert list(honest.trades.columns) == list(TRADE_COLUMNS)
    assert list(honest.chain.columns) == list(CHAIN_COLUMNS)
    check(honest.trades, TRADES)


def test_each_batch_is_pending_then_confirmed_then_settled_on_chain(honest):
    for batch in honest.batches["batch_id"]:
        events = honest.chain.loc[honest.chain["batch_id"] == batch, "event"].tolist()
        assert events[0] == "BatchSubmitted"
        assert events.count("BatchConfirmedBy") == 3
        assert events[-2:] == ["BatchConfirmed", "BatchSettled"]


def test_trades_are_confirmed_before_their_power_flows(honest):
    batches = honest.batches
    assert (batches["pending_at"] <= batches["decided_at"]).all()
    assert (batches["decided_at"] < batches["interval_start"]).all()
    settled = honest.chain[honest.chain["event"] == "BatchSettled"].set_index("batch_id")["time"]
    ends = batches.set_index("batch_id")["interval_start"] + pd.Timedelta(minutes=15)
    assert (settled >= ends).all()


def test_money_and_energy_are_conserved_over_the_whole_day(honest):
    assert is_conserved(honest)
    trades, vehicles = honest.trades, honest.accounts.vehicles.set_index("session_id")
    assert vehicles["from_peers_wh"].sum() == vehicles["to_peers_wh"].sum()
    assert vehicles["from_peers_wh"].sum() == trades["energy_wh"].sum()
    net = net_of(honest)
    drivers = net.drop("lot operator")
    expected = (vehicles["earned_ueur"] - vehicles["paid_peers_ueur"]).reindex(drivers.index)
    assert (drivers == expected).all()
    assert net["lot operator"] == (trades["cost_ueur"] - trades["income_ueur"]).sum()


def test_energy_of_each_vehicle_closes_with_losses_and_missing_energy_named(honest):
    run, vehicles = honest.run, honest.accounts.vehicles
    efficiency = run.stays.rules.efficiency
    drawn = run.from_grid_wh + run.from_peers_wh
    kept = efficiency.stored(drawn) - efficiency.drawn(run.to_peers_wh)
    missing = efficiency.stored(run.stays.need_wh) - kept
    assert (missing.clip(0).sum()) == vehicles["missing_wh"].sum()
    assert honest.accounts.energy.kept_wh == kept.sum()


def test_the_chain_changes_nothing_about_the_day_when_everyone_is_honest(honest):
    options = DayOptions()
    alone = simulate_lot(
        REAL_DAY.load(0).frame,
        rules=options.rules,
        terms=options.terms,
        mechanism=MECHANISMS[options.mechanism],
    )
    columns = ["trade_id", "buyer_id", "seller_id", "energy_wh", "cost_ueur", "income_ueur"]
    pd.testing.assert_frame_equal(alone.trades[columns], honest.trades[columns])
    pd.testing.assert_frame_equal(accounts_of(alone).vehicles, honest.accounts.vehicles)
    consent = honest.scenarios.query("scenario == 'consent' and v2g_share == 1").iloc[0]
    assert consent["peers_wh"] == honest.summary["energy_traded_wh"]
    assert consent["drivers_cost_ueur"] == honest.summary["cost_with_p2p_ueur"]


def test_trading_lowers_grid_energy_peak_and_cost_and_says_what_is_missing(honest):
    summary = honest.summary
    table = honest.scenarios.set_index(["scenario", "v2g_share"])
    consent = table.loc[("consent", 1.0)]
    grid_only = honest.scenarios.iloc[0]
    assert consent["grid_wh"] < grid_only["grid_wh"]
    assert summary["peak_with_p2p_w"] < summary["peak_grid_only_w"]
    assert summary["cost_with_p2p_ueur"] < summary["cost_grid_only_ueur"]
    assert summary["missing_wh"] > 0
    assert consent["sellers_gain_ueur"] > 0
    assert consent["buyers_gain_ueur"] > 0


def test_uncontrolled_charging_delivers_exactly_what_the_record_says(honest):
    stays = honest.run.stays
    recorded = stays.table["need_wh"].to_numpy()
    assert abs(stays.need_wh - recorded).max() <= 1
    assert (honest.run.alone_wh == stays.need_wh).all()


@pytest.mark.parametrize("limits", [True, False])
def test_whole_leaves_no_session_with_less_than_the_grid_only_run(limits):
    rules, terms = LotRules(guarantee="whole"), Terms(limits=limits)
    run = simulate_lot(
        REAL_DAY.load(0).frame, rules=rules, terms=terms, mechanism=MECHANISMS["pro-rata"]
    )
    efficiency = rules.efficiency
    with_trades = efficiency.stored(run.from_grid_wh + run.from_peers_wh) - efficiency.drawn(
        run.to_peers_wh
    )
    assert (with_trades >= efficiency.stored(run.alone_wh)).all()
    assert accounts_of(run).missing_wh == 0
    # Under a flat tariff what is sold is bought back at the price it competes with.
    assert run.trades.empty == limits
    assert (run.blocked > 0) == limits


@pytest.mark.parametrize("fault", ENGINE_FAULTS)
def test_a_wrong_trade_is_rejected_by_honest_operators_and_refunded(fault):
    result = with_consensus(engine_fault=fault)
    counts = result.trades["status"].value_counts()
    assert counts["rejected"] > 0
    assert counts["settled"] > 0
    rejected = result.batches[result.batches["status"] == "rejected"]
    assert (rejected["rejections"] >= 2).all()
    events = result.chain.groupby("batch_id")["event"].agg(list)
    assert all(events[batch][-1] == "BatchRefunded" for batch in rejected["batch_id"])
    # To the last micro-euro: what each wallet moved is what its settled trades moved.
    settled = result.trades[result.trades["status"] == "settled"]
    expected = (
        settled.groupby("seller_id")["income_ueur"]
        .sum()
        .sub(settled.groupby("buyer_id")["cost_ueur"].sum(), fill_value=0)
    )
    net = net_of(result)
    assert (net.drop("lot operator") == expected.reindex(net.index[:-1], fill_value=0)).all()
    assert is_conserved(result)
    rules = {
        "energy": "power|seller energy|buyer need",
        "price": "price",
        "cost": "price",
        "absent": "presence",
    }
    assert result.rejections["reason"].str.contains(f": (?:{rules[fault]}): ").all()


def test_a_rejected_batch_moves_no_power():
    result = with_consensus(engine_fault="energy")
    settled = result.trades[result.trades["status"] == "settled"]
    assert result.run.peers_wh.sum() == settled["energy_wh"].sum()
    rejected = result.batches.loc[result.batches["status"] == "rejected", "interval_start"]
    load = result.accounts.load.set_index("time")
    assert (load.loc[rejected, "p2p_w"] == 0).all()
    assert (load["p2p_w"] > 0).any()


@pytest.mark.parametrize("conduct", ["silent", "wrong", "malicious", "contrary", "two-faced"])
def test_one_faulty_operator_of_four_changes_no_outcome(conduct, hourly):
    result = with_consensus(conducts=(conduct,))
    pd.testing.assert_series_equal(result.trades["status"], hourly.trades["status"])
    assert result.summary["cost_with_p2p_ueur"] == hourly.summary["cost_with_p2p_ueur"]


def test_direct_and_aggregated_confirmations_end_in_the_same_state(hourly):
    direct = with_consensus(confirmations="direct")
    kept = ["trade_id", "energy_wh", "cost_ueur", "income_ueur", "status", "batch_id"]
    pd.testing.assert_frame_equal(direct.trades[kept], hourly.trades[kept])
    pd.testing.assert_frame_equal(direct.wallets, hourly.wallets)
    pd.testing.assert_frame_equal(direct.accounts.vehicles, hourly.accounts.vehicles)
    columns = ["batch_id", "confirmations", "rejections", "status"]
    pd.testing.assert_frame_equal(direct.batches[columns], hourly.batches[columns])
    assert hourly.summary["gas_used"] < direct.summary["gas_used"]


def test_drivers_send_no_transaction_of_their_own(hourly):
    drivers = {wallet.lower() for wallet in hourly.chain["actor"]}
    opened = hourly.chain[hourly.chain["event"] == "AccountRegistered"]
    owners = opened["detail"].str.extract(r"owner=(0x\w+)")[0].str.lower()
    lot_operator = owners.iloc[0]
    assert drivers & set(owners) == {lot_operator}


def test_a_malicious_operator_cannot_push_a_false_trade_through():
    result = with_consensus(conducts=("malicious",), engine_fault="energy")
    assert (result.batches["status"] == "rejected").any()
    malicious = result.operators.set_index("operator").loc["operator 1"]
    assert malicious["rejected"] == 0
    assert is_conserved(result)


def test_two_silent_operators_of_four_let_every_batch_expire_with_a_refund():
    result = with_consensus(conducts=("silent", "silent"))
    assert set(result.trades["status"]) == {"expired"}
    assert result.run.peers_wh.sum() == 0
    assert (net_of(result) == 0).all()
    assert result.summary["cost_with_p2p_ueur"] == result.summary["cost_grid_only_ueur"]


def test_two_contrary_operators_of_four_reject_everything_and_no_money_moves():
    result = with_consensus(conducts=("contrary", "contrary"))
    assert set(result.trades["status"]) == {"rejected"}
    assert (net_of(result) == 0).all()


def test_a_malicious_quorum_gets_a_false_trade_confirmed_but_not_its_power():
    """The honest limit of a quorum: it is shown, and chargers still move what they can."""
    result = with_consensus(conducts=("malicious",) * 3, engine_fault="energy")
    assert set(result.trades["status"]) == {"settled"}
    assert result.run.shortfall_wh > 0
    assert is_conserved(result)


def test_status_counts_are_final_and_add_up():
    result = with_consensus(conducts=("malicious",), engine_fault="price")
    summary = result.summary
    finals = [summary[name] for name in ("settled", "rejected", "cancelled", "expired")]
    assert sum(finals) == summary["trades"] == len(result.trades)
    assert summary["pending"] == summary["confirmed"] == 0


def test_the_same_seed_gives_the_same_tables(honest):
    again = run_day(REAL_DAY, DayOptions(compare=False))
    for name in ("trades", "chain", "batches", "wallets", "operators"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(honest, name))
    assert again.summary == honest.summary


def test_estimated_departures_count_their_shortfalls_and_conserve():
    rules = LotRules(departures="estimated")
    result = run_day(REAL_DAY, DayOptions(rules=rules, compare=False))
    assert result.run.shortfall_wh > 0
    assert is_conserved(result)
    traded = int(result.trades["energy_wh"].sum())
    assert traded == result.run.peers_wh.sum() + result.run.shortfall_wh


def test_v2g_share_limits_who_sells(honest):
    few = replace(LotRules(), v2g_share=0.11)
    result = run_day(REAL_DAY, DayOptions(rules=few, compare=False))
    sellers = set(result.trades["seller_id"])
    assert sellers < set(honest.accounts.vehicles.query("role == 'seller'")["session_id"])
    assert result.summary["energy_traded_wh"] < honest.summary["energy_traded_wh"]


EQUIPPED = LotRules(
    interval_s=3600,
    meter_s=900,
    settlement_s=7200,
    strategy="cheapest",
    site=Site(
        connection_w=40_000,
        background_w=Profile.constant(5_000),
        pv_w=Profile.daily([0] * 8 + [10_000] * 9 + [0] * 7, zone="America/Los_Angeles"),
        cable_loss_ppm=10_000,
    ),
)
"""A lot with a tight connection, sun on its roof and cables that lose a little."""
TARIFF = Profile.daily([300_000] * 7 + [600_000] * 10 + [450_000] * 7, zone="America/Los_Angeles")


@pytest.mark.parametrize("mechanism", ["uniform-price", "mcafee", "bilateral", "pro-rata"])
def test_any_market_settles_on_chain_in_a_lot_with_limits(mechanism):
    terms = Terms(tariff=TARIFF, replacement_spread=0.4, network_charge=50_000)
    options = DayOptions(rules=EQUIPPED, terms=terms, mechanism=mechanism, compare=False)
    result = run_day(REAL_DAY, options)
    assert len(result.trades) > 5
    assert (result.trades["status"] == "settled").all()
    assert is_conserved(result)
    assert result.run.pv_wh.sum() > 0
    assert result.run.cable_loss_wh.sum() > 0
    assert (result.run.grid_wh <= 35_000 // 4).all()
    floors = terms.floors(result.run.replacements, "consent", EQUIPPED.efficiency)
    sellers = [result.run.stays.code_of(name) for name in result.trades["seller_id"]]
    assert (result.trades["seller_price_ueur_per_kwh"] >= floors[sellers]).all()


@pytest.mark.parametrize("fault", ENGINE_FAULTS)
def test_a_wrong_trade_in_an_auction_is_rejected_by_operators_who_hold_it_again(fault):
    terms = Terms(replacement_spread=0.4)
    consensus = Consensus(engine_fault=fault)
    options = DayOptions(
        rules=HOURLY, terms=terms, mechanism="uniform-price", consensus=consensus, compare=False
    )
    result = run_day(REAL_DAY, options)
    counts = result.trades["status"].value_counts()
    assert counts["rejected"] > 0
    assert counts["settled"] > 0
    assert is_conserved(result)
