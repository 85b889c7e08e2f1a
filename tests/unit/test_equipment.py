"""A lot's file becomes what the lot takes, or one clear error with every fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trading.data import load_sessions, sample_path
from trading.equipment import read_equipment
from trading.errors import ConfigError, InputError, OptionError
from trading.lot import Acceptance, Lot, LotRules, Stays, Terms

WHOLE = """
timezone = "America/Los_Angeles"
[connection]
limit_kw = 60
background_kw = "load.csv"
[pv]
power_kw = [0, 0, 0, 0, 0, 0, 1, 4, 9, 14, 18, 20, 20, 18, 14, 9, 4, 1, 0, 0, 0, 0, 0, 0]
[cables]
limit_kw = 200.5
loss = 0.01
[chargers]
count = 54
kind = "ac"
phases = 3
current_a = 16
[tariff]
buy = -0.05
feed_in = 0.08
network_charge = 0.05
[battery]
charge_efficiency = 0.95
part_load = [{ below = 0.2, charge = 0.88, discharge = 0.87 }]
taper = false
[vehicles]
reserve_soc = 0.35
v2g_cap_kwh = 7.5
[market]
gate_lead_s = 90
"""


def write(folder: Path, text: str) -> Path:
    (folder / "load.csv").write_text(
        "time,value\n2019-10-29T07:00:00Z,5\n2019-10-29T08:00:00Z,7.5\n2019-10-29T09:00:00Z,1\n"
    )
    path = folder / "lot.toml"
    path.write_text(text)
    return path


def at(*times: str) -> np.ndarray:
    return pd.DatetimeIndex(times).tz_convert("UTC").as_unit("s").asi8


def test_every_key_arrives_in_the_lots_units(tmp_path):
    lot = read_equipment(write(tmp_path, WHOLE))
    assert lot.site.connection_w == 60_000
    assert lot.site.cable_w == 200_500
    assert lot.site.cable_loss_ppm == 10_000
    assert lot.site.chargers == 54
    assert lot.site.charger is not None
    assert (lot.site.charger.charge_w, lot.site.charger.discharge_w) == (11_040, 11_040)
    times = at("2019-10-29T07:30:00Z", "2019-10-29T08:00:00Z", "2019-10-29T09:59:59Z")
    assert lot.site.background_w.at(times).tolist() == [5_000, 7_500, 1_000]
    # Noon in California, whatever the clock of the tariff's author.
    assert lot.site.pv_w.at(at("2019-10-29T12:00:00-07:00")).tolist() == [20_000]
    assert lot.tariff is not None
    assert lot.tariff.lowest == -50_000
    assert lot.network_charge == 50_000
    assert lot.efficiency.charge_ppm == 950_000
    assert lot.efficiency.part_load[0].discharge_ppm == 870_000
    assert lot.acceptance is None
    assert (lot.reserve_soc, lot.v2g_cap_wh, lot.gate_lead_s) == (0.35, 7_500, 90)


def test_the_taper_has_its_parameters(tmp_path):
    text = "[battery]\nc_rate = 2.5\nknee_soc = 0.7\ntrickle_c_rate = 0.1"
    lot = read_equipment(write(tmp_path, text))
    wanted = Acceptance(most_permille=2_500, knee_permille=700, least_permille=100)
    assert lot.acceptance == wanted


def test_an_empty_file_is_a_lot_that_limits_nothing(tmp_path):
    lot = read_equipment(write(tmp_path, ""))
    assert lot.site.is_plain
    assert lot.tariff is None
    assert lot.acceptance == Acceptance()
    rules = LotRules()
    assert (lot.reserve_soc, lot.v2g_cap_wh) == (rules.reserve_soc, rules.v2g_cap_wh)
    assert lot.gate_lead_s == rules.gate_lead_s


def test_a_time_outside_a_series_is_refused(tmp_path):
    lot = read_equipment(write(tmp_path, WHOLE))
    with pytest.raises(OptionError) as caught:
        lot.site.background_w.at(at("2019-10-29T08:00:00Z", "2019-10-29T10:00:00Z"))
    assert str(caught.value) == (
        f"connection.background_kw='{tmp_path / 'load.csv'}, 2019-10-29T07:00:00Z to "
        "2019-10-29T10:00:00Z': expected values for the whole run, 2019-10-29T08:00:00Z to "
        "2019-10-29T10:00:01Z"
    )


@pytest.mark.parametrize(
    "key", ["connection.background_kw", "pv.power_kw", "tariff.buy", "tariff.feed_in"]
)
def test_a_series_shorter_than_the_run_is_refused_before_the_run(tmp_path, key):
    table, name = key.split(".")
    limit = "limit_kw = 60\n" if table == "connection" else ""
    lot = read_equipment(write(tmp_path, f"[{table}]\n{limit}{name} = 'load.csv'"))
    day = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    terms = Terms(tariff=lot.tariff, feed_in=lot.feed_in)
    with pytest.raises(OptionError, match=r"values for the whole run, 2019-10-29T") as caught:
        Lot(Stays(day, LotRules(site=lot.site)), terms)
    assert caught.value.name == key
    assert str(tmp_path / "load.csv") in str(caught.value)


@pytest.mark.parametrize("value", ["1e300", "-1e7", "inf", "nan", ""])
def test_a_value_that_nothing_has_names_file_row_and_column(tmp_path, value):
    path = write(tmp_path, "[tariff]\nbuy = 'load.csv'")
    (tmp_path / "load.csv").write_text(f"time,value\n2019-10-29T07:00:00Z,{value}\n")
    with pytest.raises(InputError) as caught:
        read_equipment(path)
    expected = f"found '{value}', expected a number from -1000000 to 1000000"
    assert str(caught.value) == f"{tmp_path / 'load.csv'}: row 2, column 'value': {expected}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[conection]\nlimit_kw = 1",
            [
                "conection",
                "none of this name; one of timezone, connection, pv",
                "did you mean 'connection'?",
            ],
        ),
        ("[market]\ngate = 1", ["market.gate=1", "one of gate_lead_s"]),
        (
            "[battery]\npart_load = [{ under = 0.9, charge = 0.9, discharge = 0.9 }]",
            ["battery.part_load.0.under=0.9", "one of below, charge, discharge"],
        ),
        ("[market]\ngate_lead_s = -1", ["market.gate_lead_s=-1", "greater than or equal to 0"]),
        ("[market]\ngate_lead_s = 1.5", ["market.gate_lead_s=1.5", "a valid integer"]),
        ("[vehicles]\nreserve_soc = 30", ["vehicles.reserve_soc=30", "less than or equal to 1"]),
        ("[vehicles]\nv2g_cap_kwh = -1", ["vehicles.v2g_cap_kwh=-1"]),
        ("[battery]\nknee_soc = 1.0", ["battery.knee_soc=1.0"]),
        ("[battery]\ntrickle_c_rate = 2.0", ["battery.trickle_c_rate=2.0", "battery.c_rate=1"]),
        ("[battery]\ntaper = false\nknee_soc = 0.8", ["battery.knee_soc=0.8", "taper=false"]),
        ("[connection]\nlimit_kw = -1", ["connection.limit_kw=-1", "greater than or equal to 0"]),
        ("[connection]\nlimit_kw = '60'", ["connection.limit_kw='60'", "a valid number"]),
        ("[pv]\npower_kw = [1, 2]", ["pv.power_kw=[1, 2]", "24 numbers"]),
        ("[pv]\npower_kw = nan", ["pv.power_kw", "24 numbers"]),
        ("[pv]\npower_kw = -1", ["pv_w", "0 W or more"]),
        (f"[tariff]\nbuy = {[0.1] * 24}", ["timezone", "tariff.buy"]),
        (f"timezone = 'Mars'\n[tariff]\nbuy = {[0.1] * 24}", ["Mars", "an IANA zone"]),
        ("[chargers]\nkind = 'dc'", ["chargers.power_kw", "kW"]),
        ("[chargers]\nphases = 2", ["chargers.phases=2"]),
        ("[chargers]\nbidirectional = false", ["chargers.bidirectional=False", "kind"]),
        ("[chargers]\nkind = 'ac'\npower_kw = 3", ["chargers.power_kw=3.0", "no such key of ac"]),
        ("timezone = 'Nowhere/X'", ["Nowhere/X", "an IANA zone"]),
        ("[battery]\npart_load = [{ below = 0.9, charge = 0.99, discharge = 0.9 }]", ["at most"]),
        ("[battery]\ncharge_efficiency = 0.0", ["battery.charge_efficiency=0.0"]),
        ("limit", ["not TOML"]),
    ],
)
def test_a_fault_names_file_key_and_what_was_expected(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_equipment(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_all_faults_are_named_at_once(tmp_path):
    path = write(tmp_path, "[cables]\nloss = 2\n[chargers]\ncount = 0\ncolour = 'red'")
    with pytest.raises(ConfigError) as caught:
        read_equipment(path)
    assert len(caught.value.faults) == 3
    assert "one of count, kind, phases, current_a, power_kw, bidirectional" in str(caught.value)


def test_a_missing_series_and_a_faulty_one_are_input_errors(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv"):
        read_equipment(write(tmp_path, "[pv]\npower_kw = 'none.csv'"))
    path = write(tmp_path, "[pv]\npower_kw = 'load.csv'")
    (tmp_path / "load.csv").write_text("time,value\n2019-10-29T07:00:00,5\n")
    with pytest.raises(InputError, match="time"):
        read_equipment(path)


def test_the_documented_file_is_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "lot.md").read_text()
    text = page.split("```toml\n")[1].split("```")[0]
    lot = read_equipment(write(tmp_path, text))
    assert lot.site.connection_w == 60_000
    assert lot.tariff is not None
