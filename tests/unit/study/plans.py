"""Small plans for tests: a Saturday with 8 sessions, at an hour's interval."""

from __future__ import annotations

from pathlib import Path

from trading.study import Plan, read_plan

SMALL = """
[base]
date = "2019-11-02"
interval_s = 3600
"""
TWENTY_FOUR = (
    SMALL
    + """
[grid]
seller_threshold = [0.7, 0.8, 0.9]
seed = [0, 1]

[sample]
n = 4
seed = 7
[sample.ranges]
v2g_share = { low = 0.1, high = 1.0 }
lot_tariff_ueur_per_kwh = { low = 300_000, high = 700_000, step = 10_000 }
"""
)
ONE_FAILS = SMALL + "[grid]\nev_share = [0.000001, 0.5, 1.0]\n"
"""Of 8 sessions, none comes at a share of a millionth."""


def plan_of(text: str, folder: Path) -> Plan:
    """The plan of a configuration that is written to `sweep.toml` in `folder`."""
    file = folder / "sweep.toml"
    file.write_text(text, encoding="utf-8")
    return read_plan(file)
