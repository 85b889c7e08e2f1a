"""Each rule finds the fault it is for, at the trade that has it, and nothing in a good batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from trading.lot import LotRules, Site, Stays, Terms
from trading.operators import Case, findings
from trading.operators.replica import Replica
from trading.operators.rules import LOOKS_AT_ALL, RULES, UNKNOWN_PARTY, checks, sentence_of

START = pd.Timestamp("2019-10-29T16:00Z")
START_S = int(START.timestamp())
RULES_OF_LOT = LotRules()
TERMS = Terms()
BUYER, NEUTRAL, SELLER, GONE = range(4)


IDS = ("buyer", "neutral", "seller", "seller-gone")


def stays(ids: tuple[str, ...] = IDS) -> Stays:
    """A buyer, a neutral, a seller, and a seller that left before the interval; 4 h each."""
    arrival = START - pd.Timedelta(hours=1)
    frame = pd.DataFrame(
        {
            "session_id": ids,
            "arrival": [arrival, arrival, arrival, arrival],
            "departure": [START + pd.Timedelta(hours=3)] * 3 + [START - pd.Timedelta(minutes=20)],
            "estimated_departure": pd.to_datetime([None] * 4, utc=True),
            "battery_capacity_wh": [60_000] * 4,
            "soc_arrival": [0.3, 0.7, 0.9, 0.9],
            "soc_source": ["declared"] * 4,
            "need_wh": [15_000, 0, 0, 0],
            "charge_power_w": [6_656] * 4,
            "discharge_power_w": [6_656] * 4,
            "reserve_soc": [0.0] * 4,
        }
    )
    return Stays(frame, RULES_OF_LOT)


def case(**changes) -> Case:
    """A good batch of one trade, 1,000 Wh from the seller to the buyer."""
    posted = TERMS.peer_price("consent", RULES_OF_LOT.efficiency)
    trade = {
        "buyer": BUYER,
        "seller": SELLER,
        "buyer_account": 1,
        "seller_account": 3,
        "energy_wh": 1_000,
        "price_ueur_per_kwh": posted.buyer_ueur_per_kwh,
        "seller_price_ueur_per_kwh": posted.seller_ueur_per_kwh,
        "interval_start": START,
        "lot": 1,
    }
    fields = {name: changes.pop(name) for name in list(changes) if name in trade}
    trades = pd.DataFrame([trade | fields])
    cost = int((trades["energy_wh"] * trades["price_ueur_per_kwh"] // 1000).sum())
    nothing = np.zeros(4, np.int64)
    own, terms = changes.get("stays", stays()), changes.get("terms", TERMS)
    good = Case(
        trades=trades,
        locked_ueur=cost,
        deadline_s=START_S,
        stays=own,
        terms=terms,
        lot=1,
        band=(0, 1_000_000),
        largest_spread=30_000,
        mechanism="pro-rata",
        lot_at=Replica(own, terms).at,
        sold_wh=nothing,
        in_interval_wh={},
        keeps_lot_time=True,
    )
    return replace(good, **changes)


def rules_broken(case: Case) -> set[str]:
    return {finding.rule for finding in findings(case)}


def test_a_good_batch_has_no_findings():
    assert findings(case()) == []


def test_every_rule_says_whether_it_held_and_what_it_holds_a_batch_to():
    told = checks(case(energy_wh=1_000_000))
    assert [check.rule for check in told] == list(RULES)
    assert {check.rule for check in told if check.outcome == "broken"} == rules_broken(
        case(energy_wh=1_000_000)
    )
    assert all(bool(check.findings) == (check.outcome == "broken") for check in told)
    assert {check.outcome for check in checks(case())} == {"held"}
    for rule in RULES:
        assert sentence_of(rule).endswith(".")
    assert sentence_of("no such rule") == ""


def test_rules_that_need_a_session_are_unchecked_where_none_is_known():
    told = {check.rule: check.outcome for check in checks(case(seller=UNKNOWN_PARTY))}
    assert told.pop("parties") == "broken"
    assert {rule for rule, outcome in told.items() if outcome == "held"} == LOOKS_AT_ALL - {
        "parties"
    }
    assert {outcome for rule, outcome in told.items() if rule not in LOOKS_AT_ALL} == {"unchecked"}


@pytest.mark.parametrize(
    ("pricing", "buyer"),
    [
        ("fixed", 418_597),
        ("fixed:0.45", 450_000),
        ("fraction:0.9", 450_000),
        # Between the tariff less the fee and the floor, or 0.40.
        ("mid-market", 423_597),
        ("mid-market:0.40", 455_000),
        # As much is offered as is asked for.
        ("supply-demand:0.40", 410_000),
    ],
)
def test_a_schemes_price_is_computed_again_with_its_number(pricing, buyer):
    terms = replace(TERMS, pricing=pricing)
    prices = {"price_ueur_per_kwh": buyer, "seller_price_ueur_per_kwh": buyer - 10_000}
    assert findings(case(terms=terms, **prices)) == []
    other = {name: value + 1 for name, value in prices.items()}
    assert rules_broken(case(terms=terms, **other)) == {"price"}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"buyer": UNKNOWN_PARTY}, "parties"),
        ({"seller": UNKNOWN_PARTY}, "parties"),
        ({"lot": 2}, "parties"),
        ({"seller": GONE}, "presence"),
        ({"deadline_s": START_S + 1}, "gate closure"),
        ({"interval_start": START + pd.Timedelta(minutes=1)}, "gate closure"),
        ({"sold_wh": np.array([0, 0, 5_000, 0])}, "seller energy"),
        ({"in_interval_wh": {START_S: (np.array([700, 0, 0, 0]), np.zeros(4, int))}}, "power"),
        ({"in_interval_wh": {START_S: (np.zeros(4, int), np.array([0, 0, 700, 0]))}}, "power"),
        ({"in_interval_wh": {START_S: (np.array([0, 0, 9, 0]), np.zeros(4, int))}}, "power"),
        ({"energy_wh": 1_665}, "power"),
        ({"price_ueur_per_kwh": 500_001}, "price"),
        ({"price_ueur_per_kwh": 418_598}, "price"),
        ({"seller_price_ueur_per_kwh": 337_000}, "price"),
        ({"seller_price_ueur_per_kwh": 408_596}, "price"),
        ({"band": (0, 400_000)}, "price"),
        ({"largest_spread": 9_999}, "price"),
        ({"locked_ueur": 418_598}, "cost"),
    ],
)
def test_each_fault_is_found_by_its_rule_alone(changes, rule):
    assert rules_broken(case(**changes)) == {rule}


@pytest.mark.parametrize(
    ("changes", "rule"), [({"buyer": NEUTRAL}, "roles"), ({"seller": NEUTRAL}, "roles")]
)
def test_a_party_of_another_role_is_found(changes, rule):
    assert rule in rules_broken(case(**changes))


def test_a_buyer_that_needs_no_more_is_found_even_where_power_would_do():
    late = START + pd.Timedelta(minutes=90)
    broken = rules_broken(case(interval_start=late, deadline_s=int(late.timestamp())))
    assert broken == {"buyer need"}


def test_exactly_what_a_charger_can_move_is_allowed():
    assert findings(case(energy_wh=1_664)) == []


def test_exactly_what_a_seller_has_is_allowed_and_one_wh_more_is_not():
    cap = int(stays().ask_cap_wh[SELLER])
    before = np.array([0, 0, cap - 1_000, 0])
    assert findings(case(sold_wh=before)) == []
    assert rules_broken(case(sold_wh=before + np.array([0, 0, 1, 0]))) == {"seller energy"}


def test_gate_closure_is_not_checked_where_a_past_day_is_replayed_on_a_live_chain():
    assert findings(case(deadline_s=START_S + 10**8, keeps_lot_time=False)) == []


def test_all_faults_are_reported_not_the_first():
    bad = case(seller=GONE, energy_wh=9_000, price_ueur_per_kwh=600_000, locked_ueur=1)
    assert {"presence", "power", "price", "cost"} <= rules_broken(bad)


def test_a_finding_says_where_and_what():
    (finding,) = findings(case(seller=GONE))
    sentence = str(finding)
    assert sentence == (
        "trade 1: presence: seller account 3 is not in the lot at 2019-10-29T16:00:00Z"
    )


def test_a_seller_without_time_for_its_own_need_may_not_sell():
    need = stays().table.assign(need_wh=[15_000, 0, 2_000, 0])
    leaves = need.assign(departure=[START + pd.Timedelta(minutes=20)] * 3 + [need["departure"][3]])
    short = case(stays=Stays(leaves, RULES_OF_LOT))
    # It drew 2,000 Wh within its first hour, so that nothing is left to charge.
    assert findings(short) == []
    late = leaves.assign(arrival=[START - pd.Timedelta(minutes=6)] * 3 + [leaves["arrival"][3]])
    assert rules_broken(case(stays=Stays(late, RULES_OF_LOT))) == {"guarantee"}


def test_under_whole_a_seller_may_sell_only_what_it_can_recharge():
    rules = LotRules(guarantee="whole")
    terms = Terms(limits=False)
    posted = terms.peer_price("whole", rules.efficiency)
    prices = {
        "price_ueur_per_kwh": posted.buyer_ueur_per_kwh,
        "seller_price_ueur_per_kwh": posted.seller_ueur_per_kwh,
        "terms": terms,
    }
    table = stays().table
    assert findings(case(stays=Stays(table, rules), **prices)) == []
    departure = [table["departure"][0], table["departure"][1], START + pd.Timedelta(minutes=20)]
    soon = table.assign(departure=[*departure, table["departure"][3]])
    assert rules_broken(case(stays=Stays(soon, rules), **prices)) == {"guarantee"}


def stays_under(rules: LotRules) -> Stays:
    return Stays(stays().table, rules)


def test_the_cables_bound_what_all_trades_of_an_interval_move():
    tight = stays_under(replace(RULES_OF_LOT, site=Site(cable_w=3_000)))
    assert findings(case(stays=tight, energy_wh=750)) == []
    assert rules_broken(case(stays=tight, energy_wh=751)) == {"power"}


def test_under_arbitrage_the_batches_of_an_interval_count_together():
    rules = replace(RULES_OF_LOT, arbitrage=True, v2g_cap_wh=1_500)
    own = stays_under(rules)
    before = np.array([0, 0, 1_000, 0])
    assert findings(case(stays=own, energy_wh=1_500)) == []
    earlier = {"sold_wh": before, "in_interval_wh": {START_S: (np.zeros(4, int), before)}}
    assert "seller energy" in rules_broken(case(stays=own, energy_wh=501, **earlier))
    assert "seller energy" not in rules_broken(case(stays=own, energy_wh=500, **earlier))


def test_no_battery_is_filled_above_its_capacity_or_emptied_below_nothing():
    full = stays().table.assign(soc_arrival=[0.3, 0.7, 0.9, 0.9], battery_capacity_wh=[60_000] * 4)
    nearly = full.assign(soc_arrival=[0.999, 0.7, 0.9, 0.9])
    assert "capacity" in rules_broken(case(stays=Stays(nearly, RULES_OF_LOT), energy_wh=1_000))
    empty = full.assign(soc_arrival=[0.3, 0.7, 0.01, 0.9])
    assert "capacity" in rules_broken(case(stays=Stays(empty, RULES_OF_LOT), energy_wh=1_000))
    assert "capacity" not in rules_broken(case(energy_wh=1_600))


def test_a_declared_state_of_charge_alone_sells_nothing():
    broken = case(trusted_soc=("charger", "telematics", "inferred"))
    assert rules_broken(broken) == {"provenance"}
    assert "its state of charge is declared, and its meter proves 0 Wh" in str(findings(broken)[0])
    assert findings(case(trusted_soc=("declared",))) == []
    table = stays().table
    for source in ("charger", "telematics", "inferred"):
        own = Stays(table.assign(soc_source=source), RULES_OF_LOT)
        assert findings(case(stays=own, trusted_soc=("charger", "telematics", "inferred"))) == []


def test_a_declared_state_of_charge_sells_what_the_meter_fed_in_and_no_more():
    # One hour at the charger fed the seller 6,000 Wh; both ways lose.
    table = stays().table.assign(need_wh=[15_000, 0, 6_000, 0], soc_arrival=[0.3, 0.7, 0.85, 0.9])
    own = Stays(table, RULES_OF_LOT)
    flat = RULES_OF_LOT.efficiency
    proven = int(flat.discharge_from(flat.stored(np.array([6_000])))[0])
    assert proven > 1_000
    before = np.array([0, 0, proven - 1_000, 0])
    trusted = {"stays": own, "trusted_soc": ("charger",)}
    assert "provenance" not in rules_broken(case(sold_wh=before, **trusted))
    assert "provenance" in rules_broken(case(sold_wh=before + np.array([0, 0, 1, 0]), **trusted))


def test_one_pair_trades_once_an_interval_over_all_batches():
    other = {(1, 3, START_S): "0xab"}
    assert rules_broken(case(traded=other)) == {"duplicate energy"}
    assert findings(case(traded={(1, 3, START_S - 900): "0xab", (1, 4, START_S): "0xab"})) == []
    once = case(energy_wh=500)
    twice = replace(
        once,
        trades=pd.concat([once.trades, once.trades], ignore_index=True),
        locked_ueur=2 * once.locked_ueur,
    )
    assert rules_broken(twice) == {"duplicate energy"}
    assert [finding.trade_index for finding in findings(twice)] == [1]


@pytest.mark.parametrize(
    ("number", "before", "is_good"), [(6, 5, True), (5, 5, False), (1, 5, False)]
)
def test_numbers_of_a_buyer_rise_strictly(number, before, is_good):
    good = case()
    numbered = replace(good, trades=good.trades.assign(sequence=number), last_sequence={1: before})
    assert rules_broken(numbered) == (set() if is_good else {"sequence"})


@pytest.mark.parametrize(
    "fault",
    [
        {"buyer": NEUTRAL},
        {"seller": GONE},
        {"seller": BUYER, "buyer": SELLER},
        {"energy_wh": 10_000_000},
        {"energy_wh": 10_000_000, "seller": GONE},
        {"price_ueur_per_kwh": 9_000_000},
    ],
)
def test_no_finding_names_a_stay(fault: dict[str, int]) -> None:
    """A reason stands on the chain for good, and there an account must not lead to a stay."""
    own = stays(ids=tuple(f"secret-{number}" for number in range(4)))
    said = " ".join(map(str, findings(case(stays=own, **fault))))
    assert said
    assert "secret" not in said
