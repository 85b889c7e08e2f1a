"""Two days of each recorded site: balances close, and the claims that must hold do."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading.study import Scenario
from trading.study.experiments import StudyOptions, sankey, truth

SHARED_DATA = Path(__file__).parents[5] / "shared" / "data" / "acn"
FILE = "2019-09-01_2019-12-31.csv.gz"


@pytest.fixture(params=["caltech", "jpl"])
def two_days(request: pytest.FixtureRequest) -> StudyOptions:
    file = SHARED_DATA / str(request.param) / FILE
    if not file.is_file():
        pytest.skip("the shared data folder is not beside the repository (../shared/data)")
    base = Scenario(lot=str(request.param), sessions=str(file), interval_s=3600)
    return StudyOptions(bases=(base,), kinds="weekdays", most_days=2)


def test_energy_closes_and_nobody_gains_from_irrational_trades(two_days: StudyOptions) -> None:
    nodes = sankey(two_days)["nodes"]
    inner = nodes.dropna()
    assert (inner["in_wh"] == inner["out_wh"]).all()
    days = truth(two_days)["days"]
    assert days.groupby("assumption")["day"].nunique().eq(2).all()
    rows = days.set_index("assumption")
    assert not rows.loc["guarantee whole", "traded_wh"].any()
    assert rows.loc["guarantee whole, no limits", "none_missing"].all()
    assert not rows.loc["refill at the tariff, no limits", "drivers"].any()
    # Charging and discharging lose energy: with refills no day draws less in all.
    assert not days["less_all_grids"].any()
    is_rational = rows.loc["defaults", "traded_wh"] > 0
    assert (rows.loc["defaults", "drivers"] >= is_rational).all()
