"""The market that a live lot writes for the demonstration."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from trading.data import load_sessions, sample_path
from trading.live import DEMO_LIMIT_KW, market_of
from trading.lot import simulate_lot
from trading.market import PRIORITIES


def test_the_demonstrations_connection_leaves_its_day_as_it_is(tmp_path: Path) -> None:
    day = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    runs = []
    for limit_kw in (None, DEMO_LIMIT_KW):
        folder = tmp_path / str(limit_kw)
        folder.mkdir()
        market = market_of(folder, seed=0, limit_kw=limit_kw)
        assert (market.rules.site.connection_w is None) == (limit_kw is None)
        runs.append(
            simulate_lot(
                day, rules=market.rules, terms=market.terms, mechanism=PRIORITIES["pro-rata"]
            )
        )
    assert len(runs[0].trades) == 132
    pd.testing.assert_frame_equal(runs[0].trades, runs[1].trades)
