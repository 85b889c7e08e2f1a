from __future__ import annotations

import pandas as pd
import pytest

from trading.data import load_sessions
from trading.errors import TableError
from trading.tables import SESSIONS, check

HEADER = (
    "Session,CCS,Arrival,Departure,Stay (min),Energy (Wh),Pmax (W),Preq_max (W),"
    '"Controlled session (0=False, 1=True)",TotalCapacity,BulkCapacity,SOC arrival,SOC departure,'
    "Energy capacity (Wh)"
)
SUMMER = (
    "278,CCS1,2022-08-11 23:33:00,2022-08-11 23:37:00,5,9632.4,168393,192417,1,79140,63312,26.0,"
    "36.0,91504.6"
)


def session(arrival: str, departure: str, *, stay_min: int, session_id: int = 1) -> str:
    return f"{session_id},CCS1,{arrival},{departure},{stay_min},5000,50000,60000,0,1,1,40,50,60000"


@pytest.fixture
def read(write):
    return lambda *rows, header=HEADER, **options: load_sessions(
        write(header, *rows), format="desl", **options
    )


def test_local_times_become_utc(read):
    frame = read(SUMMER).frame
    pd.testing.assert_frame_equal(check(frame, SESSIONS), frame)
    stay = frame.iloc[0]
    assert stay["arrival"] == pd.Timestamp("2022-08-11T21:33Z")
    assert stay["departure"] == pd.Timestamp("2022-08-11T21:37Z")


def test_values_come_from_the_charger(read):
    stay = read(SUMMER).frame.iloc[0]
    assert stay["session_id"] == "278"
    assert stay["battery_capacity_wh"] == 91_505
    assert stay["soc_arrival"] == pytest.approx(0.26)
    assert stay["soc_source"] == "charger"
    assert stay["need_wh"] == 9_632
    assert stay["charge_power_w"] == stay["discharge_power_w"] == 168_393
    assert pd.isna(stay["estimated_departure"])


def test_power_is_what_the_record_needs_when_that_is_more(read):
    stay = read(SUMMER.replace("168393", "90000")).frame.iloc[0]
    assert stay["charge_power_w"] == 9_632 * 3600 // 240 == 144_480


def test_a_zone_given_is_the_one_in_which_times_are_read(read):
    stay = read(SUMMER, timezone="UTC").frame.iloc[0]
    assert stay["arrival"] == pd.Timestamp("2022-08-11T23:33Z")


@pytest.mark.parametrize(
    ("arrival", "departure", "stay_min", "utc"),
    [
        # The clocks went from 03:00 back to 02:00 on 2022-10-30.
        ("02:10", "02:30", 21, ("00:10", "00:30")),
        ("02:10", "02:30", 81, ("00:10", "01:30")),
        ("02:50", "02:10", 21, ("00:50", "01:10")),
        ("01:50", "02:10", 21, ("23:50", "00:10")),
        ("01:50", "02:10", 81, ("23:50", "01:10")),
        ("02:50", "03:10", 21, ("01:50", "02:10")),
        ("02:50", "03:10", 81, ("00:50", "02:10")),
    ],
)
def test_a_repeated_hour_is_read_by_the_recorded_stay(read, arrival, departure, stay_min, utc):
    row = session(f"2022-10-30 {arrival}:00", f"2022-10-30 {departure}:00", stay_min=stay_min)
    stay = read(row).frame.iloc[0]
    assert (f"{stay['arrival']:%H:%M}", f"{stay['departure']:%H:%M}") == utc


@pytest.mark.parametrize(
    ("arrival", "departure", "end"),
    [("02:10", "03:30", "arrival"), ("01:50", "02:10", "departure")],
)
def test_a_skipped_hour_cannot_be_used(read, arrival, departure, end):
    skipped = session(f"2023-03-26 {arrival}:00", f"2023-03-26 {departure}:00", stay_min=21)
    sessions = read(SUMMER, skipped)
    assert sessions.reasons() == {f"{end} at a local time that the clocks skipped": 1}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("9632.4", "0", "no energy was charged"),
        ("9632.4", "-5", "no energy was charged"),
        ("91504.6", "0", "no battery capacity"),
        ("26.0", "-0.1", "state of charge outside 0 to 100 %"),
        ("36.0", "100.1", "state of charge outside 0 to 100 %"),
        ("2022-08-11 23:37:00", "2022-08-11 23:33:00", "departure not after arrival"),
        ("168393", "500001", "more power than any bay gives (500 kW)"),
        ("9632.4", "33334", "more power than any bay gives (500 kW)"),
        (
            "278,",
            "..,",
            "the session id is not 1 to 200 printable characters without /, other than . and ..",
        ),
        ("278,", "1,", "the session id came before"),
    ],
)
def test_a_faulty_record_is_left_out_with_its_row_and_reason(read, old, new, reason):
    good = session("2022-08-11 20:00:00", "2022-08-11 20:20:00", stay_min=21)
    sessions = read(good, SUMMER.replace(old, new))
    assert sessions.frame["session_id"].to_list() == ["1"]
    assert sessions.left_out["row"].to_list() == [3]
    assert sessions.reasons() == {reason: 1}


def test_refused_when_no_session_is_usable(read):
    with pytest.raises(TableError, match="a usable session; all 1 are faulty"):
        read(SUMMER.replace("9632.4", "0"))


@pytest.mark.parametrize(
    "column",
    ["Session", "Arrival", "Departure", "Stay (min)", "Energy (Wh)", "Pmax (W)", "SOC arrival"],
)
def test_refused_when_a_column_is_missing(read, column):
    with pytest.raises(TableError, match="is missing"):
        read(SUMMER, header=HEADER.replace(f"{column},", "other,", 1))


def test_refused_when_a_value_is_not_a_number(read):
    with pytest.raises(TableError) as caught:
        read(SUMMER.replace("9632.4", "lots"))
    (fault,) = caught.value.faults
    assert (fault.row, fault.column, fault.value) == (2, "Energy (Wh)", "lots")


def test_refused_when_a_time_has_an_offset(read):
    with pytest.raises(TableError, match="without an offset"):
        read(SUMMER.replace("23:33:00", "23:33:00+02:00"))


def test_notes_name_the_limits_of_the_data(read):
    truck = session("2022-08-11 20:00:00", "2022-08-11 20:20:00", stay_min=21)
    notes = read(SUMMER, truck.replace("60000", "382000")).notes
    assert any("derived" in note for note in notes)
    assert any("arrive at 80 % or more: 0.0 %" in note for note in notes)
    assert any("capacity above 250 kWh, so of no passenger cars: 1." in note for note in notes)


@pytest.mark.parametrize("stay_min", ["1e300", "-1e18", "9999999999999999999999"])
def test_refused_when_a_stay_is_no_time(read, stay_min):
    with pytest.raises(TableError) as caught:
        read(SUMMER.replace(",5,9632.4", f",{stay_min},9632.4"))
    (fault,) = caught.value.faults
    assert (fault.row, fault.column, fault.value) == (2, "Stay (min)", stay_min)
