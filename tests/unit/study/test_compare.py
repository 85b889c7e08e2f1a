"""Every combination once, beside the baselines, from the same sessions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trading.data import load_sessions, sample_path
from trading.errors import OptionError
from trading.lot import LotRules, Profile, Site, Terms, simulate_lot
from trading.lot.baselines import UNCONTROLLED, V1G, V1G_WITH_PEERS, baseline_table
from trading.market import MECHANISMS
from trading.study.compare import (
    OWN_PRICE,
    Comparison,
    combinations_of,
    compare,
)
from trading.study.metrics import metrics_of

TERMS = Terms(replacement_spread=0.3)
CHOSEN = ("arrival", "uniform-price", "bilateral")


@pytest.fixture(scope="module")
def day() -> pd.DataFrame:
    return load_sessions(sample_path(), format="acn", date="2019-10-31").frame


@pytest.fixture(scope="module")
def result(day: pd.DataFrame) -> Comparison:
    return compare(
        day,
        rules=LotRules(),
        terms=TERMS,
        mechanisms=CHOSEN,
        pricings=("middle", "fixed"),
        liars_each_side=1,
    )


def test_auctions_run_once_and_posted_prices_under_each_pricing(result: Comparison) -> None:
    rows = result.table[["kind", "mechanism", "pricing"]].to_numpy().tolist()
    assert rows == [
        ["baseline", UNCONTROLLED, ""],
        ["baseline", V1G, ""],
        ["baseline", V1G_WITH_PEERS, ""],
        ["market", "arrival", "middle"],
        ["market", "arrival", "fixed"],
        ["market", "uniform-price", OWN_PRICE],
        ["market", "bilateral", "middle"],
        ["market", "bilateral", "fixed"],
    ]
    assert result.timing[["mechanism", "pricing"]].to_numpy().tolist() == [
        row[1:] for row in rows[3:]
    ]


@pytest.mark.parametrize(("mechanism", "pricing"), [("arrival", "fixed"), ("bilateral", "middle")])
def test_a_row_is_the_run_of_its_mechanism_and_pricing(
    day: pd.DataFrame, result: Comparison, mechanism: str, pricing: str
) -> None:
    terms = replace(TERMS, pricing=None if pricing == "middle" else pricing)
    run = simulate_lot(day, rules=LotRules(), terms=terms, mechanism=MECHANISMS[mechanism])
    row = result.table[
        (result.table["mechanism"] == mechanism) & (result.table["pricing"] == pricing)
    ].iloc[0]
    for name, value in metrics_of(run).items():
        assert (pd.isna(row[name]) and pd.isna(value)) or row[name] == value, name


def test_welfare_is_shared_out_of_the_optimum_and_never_above(result: Comparison) -> None:
    table = result.table.set_index("mechanism")
    assert table.loc[V1G_WITH_PEERS, "welfare_share"] == 1.0
    assert table.loc[UNCONTROLLED, "welfare_share"] == table.loc[V1G, "welfare_share"] == 0.0
    most = int(table.loc[V1G_WITH_PEERS, "welfare_ueur"])
    assert (table["welfare_ueur"] <= most + result.optimum_slack_ueur).all()
    assert result.no_share == ""


def test_baselines_serve_the_same_need_and_smart_charging_lowers_the_peak(
    result: Comparison,
) -> None:
    table = result.table.set_index("mechanism")
    assert table.loc[UNCONTROLLED, "grid_wh"] == table.loc[V1G, "grid_wh"]
    assert table.loc[V1G, "peak_w"] < table.loc[UNCONTROLLED, "peak_w"]
    assert table.loc[UNCONTROLLED, "drivers_cost_ueur"] >= table.loc[V1G, "drivers_cost_ueur"]
    peers = table.loc[V1G_WITH_PEERS]
    gained = table.loc[V1G, "drivers_cost_ueur"] - peers["drivers_cost_ueur"]
    assert abs(gained + peers["lot_spread_ueur"] - peers["welfare_ueur"]) < 10_000


def test_each_mechanism_is_lied_to_under_the_first_pricing(result: Comparison) -> None:
    pairs = result.misreporting[["mechanism", "pricing"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["arrival", "middle"], ["uniform-price", OWN_PRICE], ["bilateral", "middle"]]
    assert (result.misreporting["liars"] == 1).all()
    assert (result.misreporting["max_gain_ueur"] >= result.misreporting["mean_gain_ueur"]).all()


def test_the_same_input_gives_the_same_tables(day: pd.DataFrame, result: Comparison) -> None:
    again = compare(
        day.sample(frac=1.0, random_state=1),
        rules=LotRules(),
        terms=TERMS,
        mechanisms=CHOSEN,
        pricings=("middle", "fixed"),
        liars_each_side=1,
    )
    pd.testing.assert_frame_equal(again.table, result.table)
    pd.testing.assert_frame_equal(again.misreporting, result.misreporting)


def test_each_day_is_run_by_itself_and_means_have_their_intervals(day: pd.DataFrame) -> None:
    days = load_sessions(
        sample_path(), format="acn", from_date="2019-10-30", to_date="2019-11-01"
    ).frame

    def compared(sessions: pd.DataFrame) -> Comparison:
        return compare(
            sessions,
            rules=LotRules(),
            terms=TERMS,
            mechanisms=("uniform-price",),
            liars_each_side=0,
            zone="America/Los_Angeles",
        )

    found, alone = compared(days), compared(day)
    assert found.daily["day"].unique().tolist() == ["2019-10-30", "2019-10-31", "2019-11-01"]
    thursday = found.daily[found.daily["day"] == "2019-10-31"].reset_index(drop=True)
    pd.testing.assert_frame_equal(thursday, alone.daily)
    pd.testing.assert_frame_equal(thursday[alone.table.columns], alone.table)

    market = found.daily[found.daily["kind"] == "market"]
    cost = found.daily.pivot(index="day", columns="mechanism", values="drivers_cost_ueur")
    saved = (cost[V1G] - cost["uniform-price"]).to_numpy(float)
    assert market["beyond_v1g_ueur"].tolist() == saved.tolist()
    # Without a welfare to share out a day has no share, and is left out of that mean alone.
    shares = found.daily.groupby("mechanism")["welfare_share"].count()
    over = found.over_days.set_index("mechanism")
    assert over["welfare_share_days"].to_dict() == shares.to_dict()
    assert (over["traded_wh_days"] == over["days"]).drop([UNCONTROLLED, V1G]).all()
    row = found.over_days.set_index("mechanism").loc["uniform-price"]
    interval = stats.t.interval(0.95, 2, loc=saved.mean(), scale=stats.sem(saved))
    assert row["days"] == 3
    assert row["beyond_v1g_ueur"] == pytest.approx(saved.mean())
    ends = (row["beyond_v1g_ueur_low"], row["beyond_v1g_ueur_high"])
    assert ends == pytest.approx(interval)
    assert alone.over_days["welfare_ueur_low"].isna().all()
    assert (
        found.table["grid_wh"].iloc[0]
        == found.daily.groupby("mechanism")["grid_wh"].sum()[UNCONTROLLED]
    )


def test_without_a_zone_no_day_is_told_from_another(result: Comparison) -> None:
    assert result.daily.empty
    assert result.over_days.empty


@pytest.mark.parametrize(
    ("rules", "terms", "has", "why"),
    [
        (LotRules(guarantee="whole"), TERMS, [V1G], "does not recharge"),
        (
            LotRules(site=Site(connection_w=30_000)),
            TERMS,
            [V1G, V1G_WITH_PEERS],
            "connection, cables or a roof",
        ),
        (LotRules(meter_s=300), TERMS, [V1G, V1G_WITH_PEERS], "fits its meter intervals"),
        (LotRules(departures="estimated"), TERMS, [V1G, V1G_WITH_PEERS], "knows departures"),
        (
            LotRules(),
            replace(TERMS, tariff=Profile.daily([400_000] * 12 + [500_000] * 12, zone="UTC")),
            [V1G, V1G_WITH_PEERS],
            "changes in time",
        ),
    ],
)
def test_no_share_is_given_where_the_optimum_is_no_bound(
    day: pd.DataFrame, rules: LotRules, terms: Terms, has: list[str], why: str
) -> None:
    found = compare(day, rules=rules, terms=terms, mechanisms=["muda"], liars_each_side=0)
    assert why in found.no_share
    assert found.table["welfare_share"].isna().all()
    assert found.table["mechanism"].tolist() == [UNCONTROLLED, *has, "muda"]
    assert found.misreporting.empty


@pytest.mark.parametrize(
    ("mechanisms", "pricings", "message"),
    [
        (["uniform"], ["middle"], r"^mechanisms='uniform': .*did you mean 'uniform-price'"),
        (["muda"], ["mid"], r"^pricings='mid': expected middle, or one of fixed"),
        (["muda", "muda"], ["middle"], r"^mechanisms='muda': expected each name once"),
        ([], ["middle"], r"^mechanisms='': expected one or more of"),
        (["muda"], [], r"^pricings='': expected one or more of middle"),
    ],
)
def test_names_that_are_not_there_are_refused(
    mechanisms: list[str], pricings: list[str], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        combinations_of(mechanisms, pricings)


def test_a_scheme_beside_a_price_and_lies_without_limits_are_refused(day: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match=r"^price=400000: expected none beside a pricing scheme"):
        compare(day, rules=LotRules(), terms=Terms(price=400_000), pricings=["fixed"])
    with pytest.raises(OptionError, match=r"^liars=3: expected 0 where limits do not count"):
        compare(day, rules=LotRules(), terms=Terms(limits=False))
    with pytest.raises(OptionError, match=r"^liars=-1"):
        compare(day, rules=LotRules(), terms=TERMS, liars_each_side=-1)


def test_a_day_without_trades_has_no_share_of_anything() -> None:
    quiet = load_sessions(sample_path(), format="acn", date="2019-11-02").frame
    found = compare(quiet, rules=LotRules(), terms=TERMS, mechanisms=["muda"], liars_each_side=1)
    assert (found.table["welfare_ueur"] == 0).all()
    assert found.table["welfare_share"].isna().all()


def test_the_roof_serves_the_best_schedules_too(day: pd.DataFrame) -> None:
    roof = LotRules(site=Site(pv_w=Profile.constant(5_000), connection_w=40_000))
    found = compare(
        day, rules=roof, terms=TERMS, mechanisms=["arrival"], pricings=["middle"], liars_each_side=0
    ).table.set_index("mechanism")
    assert (found["self_sufficiency_share"] > 0).all()
    assert (found["peak_w"] <= 40_000).all()
    assert found.loc[V1G, "grid_wh"] > found.loc[V1G_WITH_PEERS, "grid_wh"]


def test_baselines_pay_the_mean_of_a_tariff_that_changes_within_an_interval(
    day: pd.DataFrame,
) -> None:
    """Each hour begins with a quarter that differs from the other three: all are billed."""
    since, until = day["arrival"].min().floor("h"), day["departure"].max().ceil("h")
    quarters = pd.date_range(since, until, freq="15min")
    prices = np.where(quarters.minute == 0, 200_000, 600_000 + 10_000 * (quarters.hour % 5))
    terms = Terms(tariff=Profile.series(quarters, prices), lot_fee=0)
    rules = LotRules(interval_s=3_600)
    found = compare(
        day,
        rules=rules,
        terms=terms,
        mechanisms=("pro-rata",),
        pricings=("middle",),
        liars_each_side=0,
    )
    ours = found.table.set_index("mechanism")["drivers_cost_ueur"]
    assert ours[V1G] <= ours[UNCONTROLLED]
    run = simulate_lot(day, rules=rules, terms=terms, mechanism=MECHANISMS["pro-rata"])
    books = baseline_table(run, label="pro-rata").set_index("label")["cost_ueur"]
    # Each driver's bill is rounded down in the lot's books, a schedule's once.
    for name in (UNCONTROLLED, V1G, "pro-rata"):
        assert abs(ours[name] - books[name]) <= 2 * len(day), name
    # The two stop their searches at gaps of their own.
    assert abs(ours[V1G_WITH_PEERS] - books[V1G_WITH_PEERS]) <= 2e-3 * ours[V1G_WITH_PEERS]
