"""The case study: draws, bare equations, claims, truth table and the way through the ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trading.engine import CaseStudyOptions, CaseStudyResult, Consensus, run_case_study
from trading.engine.case_claims import CLAIM_COLUMNS, claims_of
from trading.engine.case_fleet import BARE, fleet_of, sessions_of
from trading.engine.case_load import Chargers, load_over_time
from trading.engine.case_study import TRANSACTION_COLUMNS
from trading.engine.case_truth import TRUTH_COLUMNS, Assumed, row_of, truth_table
from trading.engine.result import CHAIN_COLUMNS, TRADE_COLUMNS
from trading.errors import OptionError
from trading.fleet import Thresholds, roles
from trading.lot import Efficiency, LotRun, accounts_of, simulate_lot
from trading.market import PRIORITIES, Fills, OrderBook, PeerPrice, clear, orders_of
from trading.reports.numbers import money
from trading.tables import FLEET, SESSIONS, TRADES, check

SEEDS = range(8)
BARE_TRADE = ["buyer_id", "seller_id", "energy_wh", "price_ueur_per_kwh", "cost_ueur"]
SMALL = CaseStudyOptions(buyers=4, sellers=3, seed=5)


@pytest.fixture(scope="module")
def honest() -> CaseStudyResult:
    return run_case_study()


@pytest.fixture(scope="module")
def small() -> CaseStudyResult:
    return run_case_study(SMALL)


def cleared(options: CaseStudyOptions) -> pd.DataFrame:
    """The trades of the bare equations, without lot, operators or ledger."""
    fleet = fleet_of(buyers=options.buyers, sellers=options.sellers, seed=options.seed)
    limits = options.thresholds
    table = roles(
        fleet,
        buyer_threshold=limits.buyer,
        seller_threshold=limits.seller,
        strict=limits.strict,
    )
    return clear(
        orders_of(table, fleet),
        mechanism=options.mechanism,
        price=PeerPrice.same(options.price),
    )


def off_chain(options: CaseStudyOptions, **how) -> LotRun:
    fleet = fleet_of(buyers=options.buyers, sellers=options.sellers, seed=options.seed)
    return simulate_lot(
        sessions_of(fleet, options, **how),
        rules=options.rules(),
        terms=options.terms(),
        mechanism=PRIORITIES[options.mechanism],
    )


def claims(options: CaseStudyOptions) -> pd.DataFrame:
    run = off_chain(options)
    load = load_over_time(run, options.chargers)
    return claims_of(options, run, accounts_of(run), load).set_index("key")


# ---------------------------------------------------------------------- draws


def test_fleet_has_the_capacities_and_ranges_of_the_source():
    fleet = check(fleet_of(buyers=300, sellers=300, seed=1), FLEET)
    assert set(fleet["battery_capacity_kwh"]) == {40.0, 60.0, 80.0, 100.0}
    buyers, sellers = fleet["soc"][:300], fleet["soc"][300:]
    assert buyers.between(0.30, 0.60).all()
    assert sellers.between(0.80, 0.95).all()
    assert buyers.min() < 0.31 < 0.59 < buyers.max()
    assert sellers.min() < 0.81 < 0.94 < sellers.max()


def test_more_vehicles_change_nothing_of_those_there_already():
    few = fleet_of(buyers=3, sellers=2, seed=7).set_index("vehicle_id")
    many = fleet_of(buyers=50, sellers=40, seed=7).set_index("vehicle_id")
    pd.testing.assert_frame_equal(many.loc[few.index], few)


def test_another_seed_draws_another_fleet():
    assert not fleet_of(buyers=9, sellers=9, seed=0).equals(fleet_of(buyers=9, sellers=9, seed=1))


def test_chargers_of_the_one_interval_move_whatever_there_is():
    fleet = fleet_of(buyers=20, sellers=20, seed=2)
    sessions = check(sessions_of(fleet, CaseStudyOptions(), until_full=True), SESSIONS)
    assert (sessions["charge_power_w"] >= sessions["need_wh"]).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("buyers", 0),
        ("sellers", 1_000),
        ("price", 999),
        ("grid_tariff", -1),
        ("start", pd.Timestamp("2024-06-03T08:10Z")),
        ("start", pd.Timestamp("2024-06-03T08:00")),
        ("mechanism", "lottery"),
        ("chargers", Chargers(power_w=0)),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(OptionError) as caught:
        CaseStudyOptions(**{field: value})
    assert caught.value.name == {"mechanism": "priority"}.get(field, field)


# ---------------------------------------------------------------------- bare equations


@pytest.mark.parametrize("mechanism", PRIORITIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_trades_of_the_lot_are_exactly_those_of_the_bare_equations(seed, mechanism):
    options = CaseStudyOptions(seed=seed, mechanism=mechanism, buyers=30, sellers=25)
    trades = off_chain(options).trades
    pd.testing.assert_frame_equal(trades[list(TRADES.columns)], cleared(options))


def test_trades_on_chain_are_exactly_those_of_the_bare_equations(honest):
    pd.testing.assert_frame_equal(honest.trades[BARE_TRADE], cleared(honest.options)[BARE_TRADE])


def test_other_thresholds_make_other_roles_and_the_same_equations():
    options = CaseStudyOptions(thresholds=Thresholds(buyer=0.45, seller=0.90))
    run = off_chain(options)
    assert (run.stays.role == "neutral").any()
    pd.testing.assert_frame_equal(run.trades[list(TRADES.columns)], cleared(options))


# ---------------------------------------------------------------------- the ledger


def test_every_transaction_is_pending_then_confirmed_then_settled(honest):
    events = honest.chain[honest.chain["batch_id"] != ""].groupby("batch_id")["event"].agg(list)
    assert len(events) == len(honest.transactions) == honest.trades["buyer_id"].nunique()
    for names in events:
        assert names == [
            "BatchSubmitted",
            *["BatchConfirmedBy"] * 3,
            "BatchConfirmed",
            "BatchSettled",
        ]
    assert set(honest.trades["status"]) == {"settled"}


def test_all_transactions_are_pending_together_before_the_first_vote(honest):
    table = honest.transactions
    first_vote = honest.chain.loc[honest.chain["event"] == "BatchConfirmedBy", "block"].min()
    assert table["pending_block"].max() < first_vote
    assert (table["pending_at"] < table["confirmed_at"]).all()
    assert (table["confirmed_at"] < honest.options.start).all()
    assert (table["settled_at"] > honest.options.start).all()
    assert (table["confirmations"] == 3).all()


def test_a_transaction_holds_all_trades_of_one_buyer(honest):
    by_buyer = honest.trades.groupby("buyer_id")[["energy_wh", "cost_ueur"]].sum()
    table = honest.transactions.set_index("buyer_id")
    pd.testing.assert_frame_equal(
        table[["energy_wh", "cost_ueur"]].sort_index(), by_buyer, check_names=False
    )


def test_tables_have_their_columns(honest):
    assert list(honest.trades.columns) == list(TRADE_COLUMNS)
    assert list(honest.chain.columns) == list(CHAIN_COLUMNS)
    assert list(honest.transactions.columns) == list(TRANSACTION_COLUMNS)
    assert list(honest.claims.columns) == list(CLAIM_COLUMNS)
    assert list(honest.truth_table.columns) == list(TRUTH_COLUMNS)


def test_energy_and_money_are_conserved_to_the_last_unit(honest):
    books, wallets = honest.accounts, honest.wallets
    assert books.energy.residual_wh == 0
    assert books.money.residual_ueur == 0
    assert books.energy.charge_loss_wh == books.energy.discharge_loss_wh == 0
    assert books.energy.buyers_wh == books.energy.sellers_wh == honest.trades["energy_wh"].sum()
    assert wallets["deposited_ueur"].sum() == wallets["withdrawn_ueur"].sum()
    net = wallets.set_index("session_id").eval("withdrawn_ueur - deposited_ueur")
    vehicles = books.vehicles.set_index("session_id")
    expected = (vehicles["earned_ueur"] - vehicles["paid_peers_ueur"]).reindex(net.index)
    assert (net.drop("lot operator") == expected.drop("lot operator")).all()
    assert net["lot operator"] == 0


def test_one_operator_with_wrong_data_changes_no_outcome(small):
    faulty = run_case_study(replace(SMALL, consensus=Consensus(conducts=("wrong",))))
    assert set(faulty.trades["status"]) == {"settled"}
    votes = faulty.operators.set_index("operator")
    assert votes.at["operator 1", "rejected"] == len(faulty.transactions)
    assert votes.at["operator 4", "confirmed"] == len(faulty.transactions)
    pd.testing.assert_frame_equal(faulty.claims, small.claims)


def test_without_a_quorum_nothing_is_confirmed_and_no_claim_of_lower_load_holds():
    silent = Consensus(conducts=("silent", "silent"))
    result = run_case_study(replace(SMALL, consensus=silent))
    assert set(result.trades["status"]) == {"expired"}
    assert result.transactions["confirmed_at"].isna().all()
    assert (result.transactions["confirmed_block"] == 0).all()
    by_key = result.claims.set_index("key")
    assert by_key.at["grid_wh", "holds"] == by_key.at["buyers_cost_ueur", "holds"] == "no"
    assert by_key.at["missing_wh", "with_p2p"] == 0
    wallets = result.wallets
    assert (wallets["deposited_ueur"] == wallets["withdrawn_ueur"]).all()


def sell_twice(book: OrderBook, price: PeerPrice, /) -> Fills:
    """Sell the first seller's energy to every buyer anew."""
    energy = np.minimum(book.buyers.energy_wh, book.sellers.energy_wh[0])
    n = len(energy)
    return Fills(
        buyer=book.buyers.code,
        seller=np.repeat(book.sellers.code[:1], n),
        energy_wh=energy,
        price_ueur_per_kwh=np.repeat(price.buyer_ueur_per_kwh, n),
        seller_price_ueur_per_kwh=np.repeat(price.seller_ueur_per_kwh, n),
    )


def test_energy_promised_in_a_pending_batch_is_not_confirmed_in_another(monkeypatch):
    monkeypatch.setitem(PRIORITIES, "sell twice", sell_twice)
    result = run_case_study(CaseStudyOptions(buyers=2, sellers=1, mechanism="sell twice"))
    assert result.trades["status"].tolist() == ["settled", "rejected"]
    assert result.transactions["confirmations"].tolist() == [3, 0]
    assert result.chain["event"].tolist().count("BatchRefunded") == 1
    sold = result.run.to_peers_wh.sum()
    assert sold == result.trades["energy_wh"].iloc[0] <= result.roles["available_wh"].sum()


# ---------------------------------------------------------------------- the claims


@pytest.mark.parametrize("seed", SEEDS)
def test_both_claims_hold_at_the_defaults_whatever_the_seed(seed):
    by_key = claims(CaseStudyOptions(seed=seed))
    assert set(by_key["holds"]) == {"yes", ""}
    after, before = by_key["with_p2p"], by_key["without_p2p"]
    assert before["grid_wh"] - after["grid_wh"] == after["traded_wh"] == after["missing_wh"]
    assert after["peak_w"] < before["peak_w"]
    saved = before["buyers_cost_ueur"] - after["buyers_cost_ueur"]
    # 0.10 EUR on every kWh traded.
    assert saved == after["traded_wh"] * 100
    assert after["buyers_soc"] == 0.6
    # Trading makes no energy: once sellers have refilled, the grid delivered as much as before.
    assert after["grid_with_refill_wh"] == before["grid_with_refill_wh"]


def test_claims_at_the_defaults_have_these_numbers(honest):
    by_key = honest.claims.set_index("key")
    found = by_key[["without_p2p", "with_p2p"]].T.to_dict("list")
    assert found["grid_wh"] == [193_980, 83_280]
    assert found["peak_w"] == [184_600, 66_000]
    assert found["unmet_wh"] == [0, 0]
    assert found["buyers_cost_ueur"] == [96_990_000, 85_920_000]
    assert found["supply_to_demand"] == [0, 0.570677]
    assert found["missing_wh"] == [0, 110_700]
    assert found["replacement_ueur"] == [0, 27_675_000]
    assert found["to_full_wh"] == [520_000, 520_000]


def test_the_claim_of_lower_cost_fails_at_a_price_equal_to_the_tariff():
    # At this tariff every trade loses a fraction of a micro-euro by rounding down.
    by_key = claims(CaseStudyOptions(price=333_333, grid_tariff=333_333))
    assert by_key.at["buyers_cost_ueur", "holds"] == "no"
    assert by_key.at["grid_wh", "holds"] == "yes"


def test_a_dearer_peer_price_counts_the_buyers_that_lose():
    by_key = claims(CaseStudyOptions(price=600_000))
    assert by_key.at["buyers_cost_ueur", "holds"] == "no"
    assert by_key.at["buyers_worse_off", "with_p2p"] == 20


# ---------------------------------------------------------------------- load over time


@pytest.mark.parametrize("order", ["peers first", "grid first"])
@pytest.mark.parametrize("seed", SEEDS)
def test_load_moves_exactly_the_energy_of_the_books(seed, order):
    options = CaseStudyOptions(seed=seed, chargers=Chargers(order=order))
    run = off_chain(options)
    load = load_over_time(run, options.chargers)
    # Steps of 6 min: ten of them are an hour, so power converts back without a remainder.
    energy = load[["grid_only_w", "with_p2p_w", "p2p_w"]].sum() // 10
    assert energy["p2p_w"] == run.trades["energy_wh"].sum()
    assert energy["with_p2p_w"] == run.from_grid_wh.sum()
    assert energy["grid_only_w"] == run.stays.need_wh.sum()


def test_no_charger_exceeds_its_power():
    options = CaseStudyOptions(buyers=1, sellers=3)
    load = load_over_time(off_chain(options), options.chargers)
    assert (load["with_p2p_w"] + load["p2p_w"]).max() <= options.chargers.power_w
    assert load["grid_only_w"].max() <= options.chargers.power_w
    assert (load[["grid_only_w", "with_p2p_w", "p2p_w"]].iloc[-1] == 0).all()


def test_refilling_here_draws_again_what_was_sold():
    options = CaseStudyOptions(chargers=Chargers(refill_here=True))
    run = off_chain(options)
    load = load_over_time(run, options.chargers)
    assert load["with_p2p_w"].sum() == load["grid_only_w"].sum()


# ---------------------------------------------------------------------- the truth table


@pytest.fixture(scope="module")
def truths() -> pd.DataFrame:
    return truth_table(CaseStudyOptions()).set_index("assumption")


def test_each_row_is_computed_from_a_run(truths):
    options = CaseStudyOptions(price=600_000)
    row = row_of(Assumed(words="price above the tariff, 0.60 EUR/kWh", options=options))
    name = row.pop("assumption")
    assert truths.loc[name].to_dict() == row


def test_the_row_of_the_run_has_the_numbers_of_the_claims(truths, honest):
    row = truths.loc["as run: sellers refill at home at 0.25 EUR/kWh"]
    after = honest.claims.set_index("key")["with_p2p"]
    assert row["with_p2p_wh"] == after["grid_wh"]
    assert row["peak_with_p2p_w"] == after["peak_w"]
    assert row["sellers_gain_ueur"] == after["sellers_gain_ueur"]
    assert row["missing_wh"] == after["missing_wh"]


@pytest.mark.parametrize(
    ("assumption", "fails"),
    [
        ("sellers never refill", set()),
        ("as run", {"is_grid_energy_lower_with_refill"}),
        (
            "sellers refill at home at the lot's",
            {
                "is_grid_energy_lower_with_refill",
                "is_sellers_gain_positive",
                "is_joint_gain_positive",
            },
        ),
        (
            "sellers refill in the same lot",
            {
                "is_grid_energy_lower",
                "is_grid_energy_lower_with_refill",
                "is_sellers_gain_positive",
                "is_joint_gain_positive",
            },
        ),
        ("price equal", {"is_grid_energy_lower_with_refill", "is_buyers_cost_lower"}),
        ("price above", {"is_grid_energy_lower_with_refill", "is_buyers_cost_lower"}),
        ("wear of", {"is_grid_energy_lower_with_refill"}),
        ("losses and wear", {"is_grid_energy_lower_with_refill"}),
    ],
)
def test_which_claim_fails_when(truths, assumption, fails):
    row = truths[truths.index.str.startswith(assumption)].iloc[0]
    assert {name for name in row.index if name.startswith("is_") and not row[name]} == fails


def test_losses_make_the_grid_deliver_more_in_all(truths):
    losses = truths.loc["losses, efficiency 0.933 each way"]
    assert losses["with_refill_wh"] > losses["grid_only_wh"]
    assert losses["efficiency_one_way"] == 0.933


def test_peers_last_leave_most_of_the_peak(truths):
    run = truths[truths.index.str.startswith("as run")].iloc[0]
    last = truths[truths.index.str.startswith("buyers draw from the grid first")].iloc[0]
    assert run["peak_with_p2p_w"] < last["peak_with_p2p_w"]
    assert run["with_p2p_wh"] == last["with_p2p_wh"]


def test_enough_sellers_cover_everything(truths):
    row = truths[truths.index.str.startswith("sellers enough")].iloc[0]
    assert row["supply_to_demand"] >= 1
    assert row["with_p2p_wh"] == row["peak_with_p2p_w"] == 0
    few = truths[truths.index.str.startswith("fewer sellers")].iloc[0]
    assert few["supply_to_demand"] < 1
    assert few["with_p2p_wh"] == few["grid_only_wh"] - few["traded_wh"]


def test_who_is_worse_off_is_named(truths):
    borne = truths["borne_by"]
    assert borne[borne.index.str.startswith("price above")].item() == "buyers"
    assert borne[borne.index.str.startswith("sellers refill in the same lot")].item() == "sellers"
    assert borne[borne.index.str.startswith("as run")].item() == "nobody"


def test_gains_of_buyers_and_sellers_move_with_the_price_and_not_their_sum():
    cheap, dear = (
        row_of(Assumed(words="", options=CaseStudyOptions(price=price)))
        for price in (300_000, 450_000)
    )
    assert cheap["buyers_gain_ueur"] > dear["buyers_gain_ueur"]
    sums = [row["buyers_gain_ueur"] + row["sellers_gain_ueur"] for row in (cheap, dear)]
    assert sums[0] == sums[1]


def test_with_losses_buyers_still_end_at_their_threshold():
    efficiency = Efficiency()
    options = CaseStudyOptions()
    fleet = fleet_of(buyers=5, sellers=5, seed=0)
    sessions = sessions_of(fleet, options, efficiency=efficiency)
    stored = efficiency.stored(sessions["need_wh"].to_numpy(np.int64))
    bare = sessions_of(fleet, options, efficiency=BARE)["need_wh"].to_numpy()
    assert (stored == bare).all()


# ---------------------------------------------------------------------- what is said


def test_every_assumption_that_the_source_does_not_give_is_listed(honest):
    said = " ".join(honest.assumptions)
    for word in (
        "reconstruction",
        "Number of vehicles",
        "Draws",
        "T_b",
        "Price P",
        "Grid tariff",
        "replace",
        "mechanism",
        "kW",
        "steps of",
        "one interval",
        "operators",
    ):
        assert word in said


def test_the_same_options_give_the_same_tables(small):
    again = run_case_study(SMALL)
    for name in ("trades", "chain", "transactions", "load", "claims", "truth_table", "wallets"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(small, name))
    assert again.summary == small.summary


def test_the_documented_truth_table_is_the_computed_one(truths):
    page = Path(__file__).parents[3] / "docs" / "case-study.md"
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if "| yes |" in line]
    documented = {cells[0]: cells[1:] for cells in map(_cells, lines)}
    verdicts = [name for name in truths.columns if name.startswith("is_")]
    assert list(documented) == list(truths.index)
    for name, row in truths.iterrows():
        gains = [money(row["buyers_gain_ueur"]), money(row["sellers_gain_ueur"])]
        computed = ["yes" if row[verdict] else "**no**" for verdict in verdicts]
        assert documented[name] == [*computed, *gains, row["borne_by"]], name


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
