"""What a lie brings, in lots where it can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.study.lots import FLAT, LOSSLESS, lot, stay
from trading.data import load_sessions, sample_path
from trading.lot import LotRules, Stays, Terms, traded
from trading.market import MECHANISMS
from trading.study.misreport import REPORTS, Gain, gains_from_misreporting, sampled

# In an hour the buyer takes 10 kWh, of which it requires 5, and the seller has 10 above T_s.
PAIR = lot(stay("b", soc=0.5, need_wh=10_000), stay("s", soc=1.0))


def lies(mechanism: str, day=PAIR, rules=LOSSLESS, terms=FLAT) -> dict[tuple[str, str], Gain]:
    found = gains_from_misreporting(
        day, rules=rules, terms=terms, mechanism=MECHANISMS[mechanism], each_side=1
    )
    return {(gain.side, gain.report): gain for gain in found}


def gains(mechanism: str, day=PAIR, rules=LOSSLESS, terms=FLAT) -> dict[tuple[str, str], int]:
    return {who: lie.gain_ueur for who, lie in lies(mechanism, day, rules, terms).items()}


def test_an_emptier_battery_buys_more_at_the_posted_price() -> None:
    # 0.1 of 50 kWh more, each kWh at 0.40 in place of 0.50.
    assert gains("pro-rata")[("buyer", "soc")] == 5 * 100_000


def test_a_seller_without_more_demand_gains_nothing_by_a_fuller_battery() -> None:
    assert gains("pro-rata")[("seller", "soc")] == 0


def test_at_a_posted_price_saying_another_limit_brings_nothing() -> None:
    found = gains("pro-rata")
    assert found[("buyer", "price")] == found[("seller", "price")] == 0


def test_where_pairs_meet_halfway_half_of_the_lie_is_gained() -> None:
    # Floor 0.30 said as 0.33, ceiling 0.50 said as 0.45; the middle moves by half of that.
    found = gains("pay-as-bid")
    assert found[("seller", "price")] == 5 * 15_000
    assert found[("buyer", "price")] == 5 * 25_000


def test_who_says_it_leaves_before_it_can_trade_loses_its_trade() -> None:
    # The buyer can trade from 9 on, for it comes after the gate closes for 8; the seller is there
    # until 10 and says until 9.
    buyer = stay("b", soc=0.4, need_wh=10_000, power_w=5_000)
    day = lot(buyer, stay("s", soc=0.9, hours=(7, 10)))
    found = gains("pro-rata", day, replace(LOSSLESS, gate_lead_s=300))
    assert found[("seller", "departure-earlier")] == -5 * 100_000
    # Its buyer draws from the grid at 0.50 what the seller would have parted with at 0.30.
    lost = lies("pro-rata", day, replace(LOSSLESS, gate_lead_s=300))
    assert lost[("seller", "departure-earlier")].welfare_loss_ueur == 5 * 200_000


def test_a_price_that_only_moves_money_loses_no_welfare_and_one_that_ends_a_trade_does() -> None:
    found = lies("pay-as-bid")
    assert found[("seller", "price")].welfare_loss_ueur == 0
    assert found[("buyer", "price")].welfare_loss_ueur == 0
    # A floor of 0.48, said as 0.528, is above the ceiling of 0.50; 5 kWh gained 0.02 each.
    dear = replace(FLAT, replacement=380_000)
    found = lies("pay-as-bid", terms=dear)
    assert found[("seller", "price")].welfare_loss_ueur == 5 * 20_000


def test_more_trade_by_a_lie_can_be_a_gain_for_all() -> None:
    assert lies("pro-rata")[("buyer", "soc")].welfare_loss_ueur == -5 * 200_000


def test_a_seller_short_of_time_sells_by_a_departure_that_is_later_or_has_passed() -> None:
    # Its own 5 kWh take the hour that it is there, unless it says that it stays for another, or a
    # time that has passed, which tells plans nothing. What it then does not charge costs it the
    # tariff, as what it would have charged.
    seller = stay("s", soc=0.9, need_wh=5_000, power_w=5_000, hours=(8, 9))
    day = lot(stay("b", soc=0.5, need_wh=10_000, hours=(8, 9)), seller)
    found = gains("pro-rata", day)
    assert found[("seller", "departure-later")] == 5 * 100_000
    assert found[("seller", "departure-earlier")] == 5 * 100_000


def test_where_departures_are_known_telling_the_truth_changes_nothing() -> None:
    day = load_sessions(sample_path(), format="acn", date="2019-10-31").frame
    told = day.assign(estimated_departure=day["departure"])
    terms = Terms(replacement_spread=0.3)
    known = traded(Stays(day, LotRules()), terms, MECHANISMS["uniform-price"])
    said = traded(Stays(told, LotRules(departures="estimated")), terms, MECHANISMS["uniform-price"])
    assert known[1].equals(said[1])
    assert np.array_equal(known[0].drawn_wh, said[0].drawn_wh)


def test_the_liars_are_drawn_by_the_seed_from_both_sides() -> None:
    day = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    chosen = sampled(Stays(day, LotRules()), each_side=3)
    stays = Stays(day, LotRules())
    assert [bool(stays.is_buyer[code]) for code in chosen] == [True] * 3 + [False] * 3
    assert chosen == sampled(stays, each_side=3)
    assert chosen != sampled(Stays(day, LotRules(seed=1)), each_side=3)
    assert sampled(stays, each_side=0) == []


def test_a_lie_is_run_among_the_stays_that_it_can_reach() -> None:
    # A day later the same pair again: nothing changes for either.
    later = PAIR.assign(
        session_id=["c", "t"],
        **{name: PAIR[name] + np.timedelta64(24, "h") for name in ("arrival", "departure")},
    )
    both = lot(*PAIR.to_dict("records"), *later.to_dict("records"))
    found = list(
        gains_from_misreporting(
            both, rules=LOSSLESS, terms=FLAT, mechanism=MECHANISMS["pay-as-bid"], each_side=2
        )
    )
    assert {gain.gain_ueur for gain in found if gain.report == "soc" and gain.side == "buyer"} == {
        5 * 100_000
    }
    assert len(found) == 4 * len(REPORTS)


@pytest.mark.parametrize("departures", ["actual", "estimated"])
def test_the_same_seed_gives_the_same_gains(departures: str) -> None:
    day = load_sessions(sample_path(), format="acn", date="2019-10-31").frame
    rules = replace(LotRules(), departures=departures)
    assert gains("muda", day, rules) == gains("muda", day, rules)
