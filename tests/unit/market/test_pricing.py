from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.unit.market.books import book_of
from trading.errors import OptionError
from trading.market import MECHANISMS, PeerPrice
from trading.market.pricing import (
    PRICINGS,
    BookTotals,
    Tariffs,
    blended,
    fixed,
    fraction_of_tariff,
    mid_market,
    pricing_named,
    supply_demand_ratio,
)
from trading.units import MAX_U32

TOTALS = BookTotals(demand_wh=8_000, supply_wh=6_000)
TARIFFS = Tariffs(buy=400_000, feed_in=100_000, lot_fee=20_000)


@pytest.mark.parametrize(
    ("name", "paid"),
    [
        ("fixed", 250_000),
        ("fraction", 320_000),
        # Sellers get (100 + 380) / 2.
        ("mid-market", 260_000),
        # Sellers get 100 * 380 / (280 * 3/4 + 100).
        ("supply-demand", 142_580),
    ],
)
def test_each_scheme_prices_the_same_interval_in_its_own_way(name: str, paid: int) -> None:
    assert PRICINGS[name](TOTALS, TARIFFS) == PeerPrice(
        buyer_ueur_per_kwh=paid, seller_ueur_per_kwh=paid - 20_000
    )


@pytest.mark.parametrize(
    ("name", "paid"),
    [
        ("fixed:0.29", 290_000),
        ("fixed:0.1234567", 123_457),
        ("fraction:0.75", 300_000),
        ("fraction:2/3", 266_666),
        ("fraction:1", 400_000),
        # Sellers get (180 + 380) / 2.
        ("mid-market:0.18", 300_000),
        ("mid-market:feed-in", 260_000),
        # Sellers get 200 * 380 / (180 * 3/4 + 200).
        ("supply-demand:0.20", 246_865),
    ],
)
def test_a_number_behind_the_name_is_the_schemes(name: str, paid: int) -> None:
    tariffs = replace(TARIFFS, floor=150_000)
    assert pricing_named(name)(TOTALS, tariffs) == PeerPrice(
        buyer_ueur_per_kwh=paid, seller_ueur_per_kwh=paid - 20_000
    )


@pytest.mark.parametrize("name", PRICINGS)
@pytest.mark.parametrize(
    "tariffs",
    [
        Tariffs(buy=-1, feed_in=-100_000),
        Tariffs(buy=300_000, feed_in=295_000, lot_fee=10_000),
        Tariffs(buy=5_000, feed_in=-100_000, lot_fee=10_000),
    ],
    ids=["grid energy is paid for", "the fee leaves no room", "the fee is above the tariff"],
)
def test_everyone_stays_on_the_grid_when_no_price_suits_both(name: str, tariffs: Tariffs) -> None:
    assert PRICINGS[name](TOTALS, tariffs) is None


def test_a_middle_below_nothing_is_no_price() -> None:
    assert mid_market(TOTALS, Tariffs(buy=50_000, feed_in=-60_000)) is None


def test_a_price_of_nothing_is_a_price() -> None:
    assert fixed(TOTALS, Tariffs(buy=0, feed_in=0), buyer_ueur_per_kwh=0) == PeerPrice.same(0)
    assert supply_demand_ratio(TOTALS, Tariffs(buy=0, feed_in=-5)) == PeerPrice.same(0)


@pytest.mark.parametrize(("demand_wh", "supply_wh"), [(0, 5), (5, 0), (0, 0)])
def test_a_ratio_without_a_side_is_no_price(demand_wh: int, supply_wh: int) -> None:
    totals = BookTotals(demand_wh=demand_wh, supply_wh=supply_wh)
    assert supply_demand_ratio(totals, TARIFFS) is None


def test_a_fraction_is_exact_and_rounded_down() -> None:
    tariffs = Tariffs(buy=100_001, feed_in=0)
    assert fraction_of_tariff(TOTALS, tariffs, fraction=Fraction(1, 3)) == PeerPrice.same(33_333)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Tariffs(buy=1, feed_in=2), "feed_in=2: expected at most buy=1"),
        (lambda: Tariffs(buy=2**32, feed_in=2), "buy=4294967296: expected a price from"),
        (lambda: Tariffs(buy=1, feed_in=0, lot_fee=-1), "lot_fee=-1: expected a price"),
        (lambda: BookTotals(demand_wh=-1, supply_wh=0), "demand_wh=-1: expected 0 Wh or more"),
        (lambda: fixed(TOTALS, TARIFFS, buyer_ueur_per_kwh=-1), "buyer_ueur_per_kwh=-1: expected"),
        (lambda: fixed(TOTALS, TARIFFS, buyer_ueur_per_kwh=MAX_U32 + 1), "from 0 to 4294967295"),
        (lambda: fraction_of_tariff(TOTALS, TARIFFS, fraction=1.1), "fraction=1.1: expected"),
        (
            lambda: pricing_named("fixed:"),
            "pricing='fixed:': expected behind the colon",
        ),
        (lambda: pricing_named("fixed:-1"), "in EUR/kWh from 0 to 4294.967295, as in fixed:0.40"),
        (lambda: pricing_named("fixed:4295"), "as in fixed:0.40"),
        (lambda: pricing_named("fixed:nan"), "as in fixed:0.40"),
        (lambda: pricing_named("fraction:1.2"), "from 0 to 1, as in fraction:0.85"),
        (lambda: pricing_named("fraction:1/0"), "as in fraction:0.85"),
        (lambda: pricing_named("fraction:80%"), "as in fraction:0.85"),
        (lambda: pricing_named("mid-market:feedin"), "or feed-in, as in mid-market:feed-in"),
        (lambda: pricing_named("fixd:0.40"), "did you mean 'fixed'?"),
        (lambda: Tariffs(buy=1, feed_in=0, floor=-1), "floor=-1: expected a price of 0 or more"),
        (lambda: pricing_named("midmarket"), "did you mean 'mid-market'?"),
        (lambda: pricing_named("zzz", option="pricings"), "pricings='zzz': expected one of fixed"),
    ],
)
def test_what_makes_no_price_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OptionError) as caught:
        call()
    assert message in str(caught.value)


def test_peers_and_grid_are_billed_apart_and_blend_into_the_published_rate() -> None:
    book = book_of([(8_000, MAX_U32)], [(6_000, 0)])
    tariffs = Tariffs(buy=400_000, feed_in=100_000)
    price = supply_demand_ratio(BookTotals.of(book), tariffs)
    assert price is not None
    bill = blended(MECHANISMS["pro-rata"](book, price), BookTotals.of(book), tariffs)
    assert (bill.peers_wh, bill.grid_wh, bill.feed_in_wh) == (6_000, 2_000, 0)
    sold = Fraction(100_000 * 400_000) / (300_000 * Fraction(3, 4) + 100_000)
    assert bill.buyers_ueur_per_kwh == pytest.approx(sold * Fraction(3, 4) + 100_000, abs=1)
    assert bill.sellers_ueur_per_kwh == pytest.approx(sold, abs=1)
    assert bill.to_grid_ueur == 800_000
    assert bill.to_lot_ueur == 0


def test_no_energy_has_no_rate() -> None:
    book = book_of([], [])
    bill = blended(MECHANISMS["pro-rata"](book, PeerPrice.same(1)), BookTotals.of(book), TARIFFS)
    assert bill.buyers_ueur_per_kwh is None
    assert bill.sellers_ueur_per_kwh is None


def test_bills_are_refused_when_more_was_traded_than_there_is() -> None:
    book = book_of([(5, 9)], [(5, 0)])
    fills = MECHANISMS["pro-rata"](book, PeerPrice.same(1))
    with pytest.raises(OptionError, match="expected at least the 5 Wh that were traded"):
        blended(fills, BookTotals(demand_wh=4, supply_wh=5), TARIFFS)
