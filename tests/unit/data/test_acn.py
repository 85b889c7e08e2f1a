from __future__ import annotations

import gzip
import json
import locale

import pandas as pd
import pytest

from trading.data import ASSIGNMENTS, load_sessions
from trading.errors import InputError, TableError
from trading.tables import SESSIONS, check

HEADER = (
    "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,"
    "estimated_departure,claimed"
)
CLAIMED = (
    "2018-04-25 04:08:04-07:00,2018-04-25 13:20:10-07:00,20.0,7.932,CA-496,claimed,"
    "2018-04-25 12:08:04-07:00,True"
)
UNCLAIMED = (
    "2018-04-25 05:00:00-07:00,2018-04-25 08:00:00-07:00,3.3335,3.3335,CA-319,unclaimed,"
    "2018-04-25 08:00:00-07:00,False"
)


def item(**changes: object) -> dict[str, object]:
    """The claimed session as the web API gives it."""
    session = {
        "_id": "5bc90cb9f9af8b0d7fe77cd2",
        "clusterID": "0039",
        "connectionTime": "Wed, 25 Apr 2018 11:08:04 GMT",
        "disconnectTime": "Wed, 25 Apr 2018 20:20:10 GMT",
        "doneChargingTime": None,
        "kWhDelivered": 7.932,
        "sessionID": "claimed",
        "siteID": "0002",
        "spaceID": "CA-496",
        "stationID": "2-39-78-362",
        "timezone": "America/Los_Angeles",
        "userID": "000000561",
        "userInputs": [user_input()],
    }
    return session | changes


def user_input(**changes: object) -> dict[str, object]:
    given = {
        "WhPerMile": 400,
        "kWhRequested": 20.0,
        "milesRequested": 50,
        "minutesAvailable": 480,
        "modifiedAt": "Wed, 25 Apr 2018 11:08:40 GMT",
        "paymentRequired": True,
        "requestedDeparture": "Wed, 25 Apr 2018 19:08:04 GMT",
        "userID": 561,
    }
    return given | changes


UNCLAIMED_ITEM = {
    "connectionTime": "Wed, 25 Apr 2018 12:00:00 GMT",
    "disconnectTime": "Wed, 25 Apr 2018 15:00:00 GMT",
    "kWhDelivered": 3.3335,
    "sessionID": "unclaimed",
    "userInputs": None,
}


@pytest.fixture
def read_csv(write):
    return lambda *rows, header=HEADER, **options: load_sessions(
        write(header, *rows), format="acn", **options
    )


@pytest.fixture
def read_json(write):
    return lambda document, **options: load_sessions(
        write(json.dumps(document), name="sessions.json"), format="acn", **options
    )


def row(rows: pd.DataFrame, session_id: str) -> pd.Series:
    return rows.set_index("session_id").loc[session_id]


def test_sessions_have_their_schema_in_utc(read_csv):
    frame = read_csv(CLAIMED, UNCLAIMED).frame
    pd.testing.assert_frame_equal(check(frame, SESSIONS), frame)
    claimed = row(frame, "claimed")
    assert claimed["arrival"] == pd.Timestamp("2018-04-25T11:08:04Z")
    assert claimed["departure"] == pd.Timestamp("2018-04-25T20:20:10Z")
    assert claimed["estimated_departure"] == pd.Timestamp("2018-04-25T19:08:04Z")
    assert claimed["need_wh"] == 7_932
    assert claimed["soc_source"] == "inferred"
    assert claimed["reserve_soc"] == 0


def test_an_unclaimed_session_has_no_estimate(read_csv):
    frame = read_csv(CLAIMED, UNCLAIMED).frame
    assert pd.isna(row(frame, "unclaimed")["estimated_departure"])


def test_an_unclaimed_session_has_no_request(read_csv):
    frame = read_csv(UNCLAIMED, assignment="anchored-departure-requested").frame
    other = read_csv(
        UNCLAIMED.replace("3.3335,3.3335", "9,3.3335"), assignment="anchored-departure-requested"
    ).frame
    pd.testing.assert_frame_equal(frame, other)


def test_need_is_rounded_to_whole_wh(read_csv):
    assert read_csv(UNCLAIMED).frame["need_wh"].item() == 3_334


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_json_and_csv_of_the_same_sessions_give_the_same_stays(read_csv, read_json, assignment):
    from_csv = read_csv(CLAIMED, UNCLAIMED, assignment=assignment)
    from_json = read_json([item(), UNCLAIMED_ITEM], assignment=assignment)
    pd.testing.assert_frame_equal(from_csv.frame, from_json.frame)
    assert from_csv.notes == from_json.notes


def test_json_may_be_a_list_or_an_object_with_items(read_json):
    listed = read_json([item(), UNCLAIMED_ITEM]).frame
    wrapped = read_json({"_meta": {"start": "x"}, "_items": [item(), UNCLAIMED_ITEM]}).frame
    pd.testing.assert_frame_equal(listed, wrapped)


def test_either_may_be_gzipped_whatever_its_name(tmp_path):
    path = tmp_path / "sessions"
    path.write_bytes(gzip.compress(f"{HEADER}\n{CLAIMED}\n".encode()))
    from_csv = load_sessions(path, format="acn").frame
    path.write_bytes(gzip.compress(json.dumps([item()]).encode()))
    pd.testing.assert_frame_equal(load_sessions(path, format="acn").frame, from_csv)


@pytest.mark.parametrize("inputs", [None, []])
def test_json_session_without_user_inputs_is_unclaimed(read_json, inputs):
    frame = read_json([item(userInputs=inputs)]).frame
    assert pd.isna(frame["estimated_departure"].item())


def test_the_user_input_modified_last_counts(read_json):
    first = user_input(
        modifiedAt="Wed, 25 Apr 2018 11:08:00 GMT",
        requestedDeparture="Wed, 25 Apr 2018 12:00:00 GMT",
    )
    last = user_input(
        modifiedAt="Wed, 25 Apr 2018 15:00:00 GMT",
        requestedDeparture="Wed, 25 Apr 2018 18:00:00 GMT",
    )
    for inputs in ([first, last], [last, first]):
        frame = read_json([item(userInputs=inputs)]).frame
        assert frame["estimated_departure"].item() == pd.Timestamp("2018-04-25T18:00Z")


def test_the_later_user_input_counts_when_none_says_when(read_json):
    inputs = [
        user_input(modifiedAt=None, requestedDeparture="Wed, 25 Apr 2018 12:00:00 GMT"),
        user_input(modifiedAt=None, requestedDeparture="Wed, 25 Apr 2018 18:00:00 GMT"),
    ]
    frame = read_json([item(userInputs=inputs)]).frame
    assert frame["estimated_departure"].item() == pd.Timestamp("2018-04-25T18:00Z")


def test_minutes_available_stand_in_for_a_missing_departure(read_json):
    inputs = [user_input(requestedDeparture=None)]
    frame = read_json([item(userInputs=inputs)]).frame
    assert frame["estimated_departure"].item() == pd.Timestamp("2018-04-25T19:08:04Z")


def test_json_times_may_be_iso_with_an_offset(read_json):
    iso = item(connectionTime="2018-04-25 04:08:04-07:00")
    pd.testing.assert_frame_equal(read_json([iso]).frame, read_json([item()]).frame)


def test_json_times_do_not_depend_on_the_locale(read_json):
    expected = read_json([item()]).frame
    before = locale.setlocale(locale.LC_TIME)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C"):
        try:
            locale.setlocale(locale.LC_TIME, name)
        except locale.Error:
            continue
        try:
            pd.testing.assert_frame_equal(read_json([item()]).frame, expected)
        finally:
            locale.setlocale(locale.LC_TIME, before)


def test_an_estimate_before_arrival_is_dropped_and_noted(read_csv):
    sessions = read_csv(CLAIMED.replace("12:08:04-07:00,True", "04:08:04-07:00,True"))
    assert pd.isna(sessions.frame["estimated_departure"].item())
    assert any("Estimated departures before arrival, dropped: 1." in n for n in sessions.notes)


def test_notes_say_that_soc_is_inferred_and_by_which_rule(read_csv):
    notes = read_csv(CLAIMED, seed=7, assignment="uniform-arrival").notes
    assert any("inferred, not measured: SoC at arrival uniform" in note for note in notes)
    assert any("seed 7" in note for note in notes)


def test_notes_say_when_the_largest_battery_was_too_small(read_csv):
    notes = read_csv(CLAIMED.replace("7.932", "95")).notes
    assert any("over 85 % of the largest battery" in note for note in notes)


def test_notes_say_when_the_file_names_another_zone(read_json):
    assert not any("Days are" in note for note in read_json([item()]).notes)
    notes = read_json([item(timezone="Europe/Zurich")]).notes
    assert "Days are days of America/Los_Angeles, but the file names Europe/Zurich." in notes


def test_notes_say_when_the_file_is_one_page_of_several(read_json):
    page = {"_items": [item()], "_links": {"next": {"href": "sessions/caltech?page=2"}}}
    assert any("one page of several" in note for note in read_json(page).notes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("2018-04-25 13:20:10-07:00", "2018-04-25 04:08:04-07:00"), "departure not after arrival"),
        (("2018-04-25 13:20:10-07:00", ""), "no departure"),
        (("7.932", ""), "no energy delivered is recorded"),
        (("7.932", "-0.1"), "energy delivered is negative"),
        (("7.932", "107.2"), "more energy than the largest battery takes (107181 Wh)"),
        (
            ("2018-04-25 13:20:10-07:00", "2018-04-25 04:08:14-07:00"),
            "more power than any bay gives (500 kW)",
        ),
        (
            ("claimed,", "a/b,"),
            "the session id is not 1 to 200 printable characters without /, other than . and ..",
        ),
        (("claimed,", "unclaimed,"), "the session id came before"),
    ],
)
def test_a_faulty_record_is_left_out_with_its_row_and_reason(read_csv, change, reason):
    sessions = read_csv(UNCLAIMED, CLAIMED.replace(*change))
    assert sessions.frame["session_id"].to_list() == ["unclaimed"]
    assert sessions.left_out["row"].to_list() == [3]
    assert sessions.reasons() == {reason: 1}


def test_rows_of_json_are_positions_in_the_list(read_json):
    sessions = read_json([item(disconnectTime=None), UNCLAIMED_ITEM])
    assert sessions.left_out.to_dict("records") == [
        {"row": 1, "session_id": "claimed", "reason": "no departure"}
    ]


def test_what_is_left_out_does_not_depend_on_the_days_asked_for(read_csv):
    broken = CLAIMED.replace("2018-04-25 13:20:10", "2018-04-25 03:20:10")
    sessions = read_csv(UNCLAIMED.replace("2018-04-25", "2018-04-26"), broken, date="2018-04-26")
    assert sessions.reasons() == {"departure not after arrival": 1}


def test_refused_when_no_session_is_usable(read_csv):
    with pytest.raises(TableError, match="a usable session; all 1 are faulty"):
        read_csv(CLAIMED.replace("7.932", "-1"))


def test_zero_energy_is_a_stay_without_need(read_csv):
    frame = read_csv(CLAIMED.replace("7.932", "0")).frame
    assert frame["need_wh"].item() == 0
    assert frame["charge_power_w"].item() == 6_656


@pytest.mark.parametrize("column", [c for c in HEADER.split(",") if c != "station_id"])
def test_refused_when_a_column_is_missing(read_csv, column):
    header = ",".join("other" if name == column else name for name in HEADER.split(","))
    with pytest.raises(TableError, match="is missing") as caught:
        read_csv(CLAIMED, header=header)
    assert [fault.column for fault in caught.value.faults] == [column]


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("7.932", "much", "delivered_energy (kWh)"),
        ("20.0", "nan", "requested_energy (kWh)"),
        ("True", "perhaps", "claimed"),
        ("2018-04-25 04:08:04-07:00", "yesterday", "arrival"),
        ("claimed,", ",", "session_id"),
    ],
)
def test_refused_when_a_value_cannot_be_read(read_csv, old, new, column):
    with pytest.raises(TableError) as caught:
        read_csv(UNCLAIMED, CLAIMED.replace(old, new))
    (fault,) = caught.value.faults
    assert (fault.row, fault.column) == (3, column)


def test_refused_when_a_time_has_no_offset(read_csv, read_json):
    with pytest.raises(TableError, match=r"'arrival'.*'2018-04-25 04:08:04'.*offset"):
        read_csv(CLAIMED.replace("04:08:04-07:00", "04:08:04"))
    with pytest.raises(TableError, match=r"'connectionTime'.*offset"):
        read_json([item(connectionTime="2018-04-25 04:08:04")])


@pytest.mark.parametrize(
    ("changes", "column", "expected"),
    [
        ({"connectionTime": "Wed, 35 Apr 2018 11:08:04 GMT"}, "connectionTime", "a time with"),
        ({"connectionTime": None}, "connectionTime", "a time with"),
        ({"connectionTime": 1524654484}, "connectionTime", "a time with"),
        ({"kWhDelivered": "7.9"}, "kWhDelivered", "a finite number of kWh"),
        ({"kWhDelivered": True}, "kWhDelivered", "a finite number of kWh"),
        ({"kWhDelivered": float("nan")}, "kWhDelivered", "a finite number of kWh"),
        ({"kWhDelivered": float("inf")}, "kWhDelivered", "a finite number of kWh"),
        ({"sessionID": ""}, "sessionID", "not empty"),
        ({"sessionID": 12}, "sessionID", "not empty"),
        ({"userInputs": "none"}, "userInputs", "a list of user inputs, or null"),
        ({"userInputs": [1]}, "userInputs", "a list of user inputs, or null"),
        (
            {"userInputs": [user_input(kWhRequested="all")]},
            "userInputs.kWhRequested",
            "a finite number of kWh",
        ),
        (
            {"userInputs": [user_input(requestedDeparture="late")]},
            "userInputs.requestedDeparture",
            "a time with",
        ),
    ],
)
def test_refused_when_a_json_field_cannot_be_read(read_json, changes, column, expected):
    with pytest.raises(TableError) as caught:
        read_json([UNCLAIMED_ITEM, item(**changes)])
    (fault,) = caught.value.faults
    assert (fault.row, fault.column) == (2, column)
    assert expected in fault.expected


@pytest.mark.parametrize("field", ["sessionID", "connectionTime", "disconnectTime", "kWhDelivered"])
def test_refused_when_a_json_field_is_missing(read_json, field):
    session = item()
    del session[field]
    with pytest.raises(TableError, match=f"row 1, column '{field}'.*but the field is missing"):
        read_json([session])


def test_all_json_faults_come_at_once(read_json):
    with pytest.raises(TableError) as caught:
        read_json([item(kWhDelivered="x"), item(sessionID=""), 7])
    assert [fault.row for fault in caught.value.faults] == [1, 2, 3]


@pytest.mark.parametrize(
    "text", ['[{"sessionID": ', '{"_items": [}', "[" * 100_000, '{"sessions": []}', '{"_items": 3}']
)
def test_malformed_json_is_an_input_error(write, text):
    with pytest.raises(InputError, match=r"sessions\.json: "):
        load_sessions(write(text, name="sessions.json"), format="acn")


def test_refused_when_the_json_list_is_empty(read_json):
    with pytest.raises(TableError, match="at least one session, found none"):
        read_json([])


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x1f\x8b\x08broken"])
def test_an_unreadable_file_is_an_input_error(tmp_path, content):
    path = tmp_path / "sessions.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"sessions\.csv"):
        load_sessions(path, format="acn")


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_sessions(tmp_path / "nowhere.csv", format="acn")
