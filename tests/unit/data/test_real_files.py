"""The shared files, and the numbers that the shared data README computed from them.

Where ours differ from its, the bounds are ours and docs/data.md says why.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trading.data import ASSIGNMENTS, Sessions, assign, load_sessions

LOS_ANGELES = "America/Los_Angeles"
SUMMER_AND_AUTUMN = ("2019-05-01_2019-08-31.csv.gz", "2019-09-01_2019-12-31.csv.gz")
ACN_FILES = {
    "caltech/2019-05-01_2019-08-31.csv.gz": 3_527,
    "caltech/2019-09-01_2019-12-31.csv.gz": 3_177,
    "caltech/2020-02-01_2020-05-31.csv.gz": 1_269,
    "jpl/2019-05-01_2019-08-31.csv.gz": 6_026,
    "jpl/2019-09-01_2019-12-31.csv.gz": 5_804,
}


@cache
def caltech_2019(folder: Path, seed: int, assignment: str = "anchored-departure") -> pd.DataFrame:
    """Sessions on weekdays of 2019 with 40 sessions or more."""
    files = [folder / "acn" / "caltech" / name for name in SUMMER_AND_AUTUMN]
    options = {"format": "acn", "seed": seed, "assignment": assignment}
    frame = pd.concat([load_sessions(path, **options).frame for path in files])
    day = frame["arrival"].dt.tz_convert(LOS_ANGELES).dt.tz_localize(None).dt.normalize()
    is_busy = day.groupby(day).transform("size") >= 40
    return frame.assign(day=day)[is_busy & (day.dt.day_of_week < 5)]


def test_every_acn_session_is_read(shared_data):
    for name, n_sessions in ACN_FILES.items():
        sessions = load_sessions(shared_data / "acn" / name, format="acn")
        assert len(sessions.frame) == n_sessions
        assert sessions.left_out.empty
        assert len(sessions.notes) == 2  # how SoC was inferred, and whose data it is


def test_unclaimed_rows_repeat_what_happened(shared_data):
    table = pd.read_csv(shared_data / "acn" / "caltech" / SUMMER_AND_AUTUMN[0])
    unclaimed = table[~table["claimed"]]
    assert (unclaimed["requested_energy (kWh)"] == unclaimed["delivered_energy (kWh)"]).all()
    assert (unclaimed["estimated_departure"] == unclaimed["departure"]).all()
    read = load_sessions(shared_data / "acn" / "caltech" / SUMMER_AND_AUTUMN[0], format="acn")
    assert read.frame["estimated_departure"].isna().sum() == len(unclaimed) == 506


def test_a_quarter_of_claimed_drivers_leaves_early(shared_data):
    names = [name for name in ACN_FILES if name.startswith("caltech")]
    paths = [shared_data / "acn" / name for name in names]
    frame = pd.concat([load_sessions(path, format="acn").frame for path in paths])
    claimed = frame[frame["estimated_departure"].notna()]
    early = claimed["estimated_departure"] - claimed["departure"] > pd.Timedelta("15min")
    assert 100 * early.mean() == pytest.approx(26.5, abs=0.05)


def test_busy_weekdays_are_42_and_the_demo_day_the_busiest(shared_data):
    days = caltech_2019(shared_data, 0)["day"].value_counts()
    assert len(days) == 42
    assert days.idxmax() == pd.Timestamp("2019-10-29")
    assert days.max() == 50


def test_classes_have_the_documented_shares(shared_data):
    frame = caltech_2019(shared_data, 0)
    raw = pd.concat(
        [pd.read_csv(shared_data / "acn" / "caltech" / name) for name in SUMMER_AND_AUTUMN]
    ).set_index("session_id")
    raw = raw.loc[frame["session_id"]].reset_index()
    records = pd.DataFrame(
        {
            "session_id": raw["session_id"],
            "arrival": pd.to_datetime(raw["arrival"], utc=True),
            "departure": pd.to_datetime(raw["departure"], utc=True),
            "delivered_wh": (raw["delivered_energy (kWh)"] * 1000).round().astype("int64"),
            "requested_wh": (raw["requested_energy (kWh)"] * 1000).where(raw["claimed"]),
        }
    )
    assigned = assign(records)
    shares = 100 * assigned["stop"].value_counts(normalize=True)
    assert shares[["met", "full", "cut"]].to_list() == pytest.approx([26, 59, 15], abs=0.6)
    of_claimed = 100 * assigned["stop"][raw["claimed"]].value_counts(normalize=True)
    assert of_claimed[["met", "full", "cut"]].to_list() == pytest.approx([11, 71, 18], abs=0.6)
    by_id = frame.set_index("session_id")["soc_arrival"]
    assert (by_id[assigned["session_id"]].to_numpy() == assigned["soc_arrival"].to_numpy()).all()


def test_roles_and_energies_are_as_documented(shared_data):
    shares, required_kwh, available_kwh = [], [], []
    for seed in range(5):
        frame = caltech_2019(shared_data, seed)
        soc, capacity_kwh = frame["soc_arrival"], frame["battery_capacity_wh"] / 1000
        shares.append([(soc <= 0.6).mean(), soc.between(0.6, 0.8, "neither").mean()])
        required_kwh.append(((0.6 - soc).clip(lower=0) * capacity_kwh).sum() / 42)
        available_kwh.append(((soc - 0.8).clip(lower=0) * capacity_kwh).sum() / 42)
    assert 100 * np.mean(shares, axis=0) == pytest.approx([22, 39], abs=1.5)
    assert np.mean(required_kwh) == pytest.approx(93, abs=4)
    assert np.mean(available_kwh) == pytest.approx(123, abs=4)


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_energy_delivered_fits_between_arrival_and_full(shared_data, name):
    frame = caltech_2019(shared_data, 0, name)
    gained = 0.933 * frame["need_wh"] / frame["battery_capacity_wh"]
    assert (frame["soc_arrival"] + gained <= 1 + 1e-12).all()


def test_recorded_energy_is_within_power_and_stay(shared_data):
    frame = caltech_2019(shared_data, 0)
    stay_s = (frame["departure"] - frame["arrival"]).dt.total_seconds()
    assert (frame["charge_power_w"] * stay_s >= frame["need_wh"] * 3600).all()
    above = frame["charge_power_w"] > 6_656
    assert 0 < above.mean() < 0.05
    assert frame["charge_power_w"].max() < 7_000


@pytest.fixture
def desl(shared_data) -> Sessions:
    return load_sessions(shared_data / "desl_level3" / "Session_data.csv", format="desl")


def test_every_desl_session_is_read(desl):
    assert len(desl.frame) == 1_086
    assert desl.left_out.empty
    assert desl.frame["arrival"].min() == pd.Timestamp("2022-04-12T17:27Z")


def test_desl_has_hardly_a_seller(desl):
    soc = desl.frame["soc_arrival"]
    assert 100 * (soc >= 0.8).mean() == pytest.approx(1.6, abs=0.1)
    assert 100 * (soc <= 0.6).mean() == pytest.approx(90, abs=0.5)
    assert any("arrive at 80 % or more: 1.6 %" in note for note in desl.notes)
    assert any("capacity above 250 kWh, so of no passenger cars: 7." in note for note in desl.notes)


def test_desl_energy_is_within_power_and_stay(desl):
    stay_s = (desl.frame["departure"] - desl.frame["arrival"]).dt.total_seconds()
    assert (desl.frame["charge_power_w"] * stay_s >= desl.frame["need_wh"] * 3600).all()
