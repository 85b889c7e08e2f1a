from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from trading.data import day_bounds_utc, select_days
from trading.data.select import checked_zone
from trading.errors import OptionError

ZONE = "America/Los_Angeles"


def arrivals(*times: str) -> pd.DataFrame:
    return pd.DataFrame({"arrival": pd.to_datetime(list(times), utc=True, format="ISO8601")})


WEEK = arrivals(
    "2019-10-28T07:00Z",
    "2019-10-29T06:59:59Z",
    "2019-10-29T07:00Z",
    "2019-10-30T06:59Z",
    "2019-11-01T20:00Z",
)


def test_a_day_is_the_local_day_of_arrival():
    day = select_days(WEEK, zone=ZONE, date="2019-10-29")
    assert day["arrival"].dt.strftime("%dT%H:%M").to_list() == ["29T07:00", "30T06:59"]
    assert day.index.to_list() == [0, 1]


def test_the_last_day_of_a_range_is_included():
    days = select_days(WEEK, zone=ZONE, from_date="2019-10-29", to_date="2019-11-01")
    assert len(days) == 3


def test_a_range_may_be_open_at_either_end():
    assert len(select_days(WEEK, zone=ZONE, from_date="2019-10-29")) == 3
    assert len(select_days(WEEK, zone=ZONE, to_date="2019-10-28")) == 2
    assert len(select_days(WEEK, zone=ZONE)) == 5


def test_a_date_may_be_a_date():
    assert len(select_days(WEEK, zone=ZONE, date=dt.date(2019, 10, 29))) == 2


@pytest.mark.parametrize(
    ("day", "hours"), [("2019-03-10", 23), ("2019-11-03", 25), ("2019-10-29", 24)]
)
def test_days_have_the_hours_of_their_zone(day, hours):
    start, end = day_bounds_utc(day, ZONE)
    assert (end - start).total_seconds() == hours * 3600
    inside = pd.date_range(start, end, freq="h", inclusive="left")
    every_hour = pd.DataFrame(
        {"arrival": pd.date_range("2019-01-01", "2020-01-01", freq="h", tz="UTC")}
    )
    assert select_days(every_hour, zone=ZONE, date=day)["arrival"].to_list() == inside.to_list()


def test_a_day_begins_with_its_first_moment_when_midnight_is_skipped():
    start, end = day_bounds_utc("2018-11-04", "America/Sao_Paulo")
    assert start == pd.Timestamp("2018-11-04T03:00Z")
    assert (end - start).total_seconds() == 23 * 3600


@pytest.mark.parametrize(
    "value", ["2019-13-01", "20191029", "2019-W44-2", "29.10.2019", "", dt.datetime(2019, 10, 29)]
)
def test_refused_when_not_a_date(value):
    with pytest.raises(OptionError, match=r"date=.*expected a date as YYYY-MM-DD"):
        select_days(WEEK, zone=ZONE, date=value)


def test_refused_when_the_range_ends_before_it_begins():
    with pytest.raises(OptionError, match="from='2019-11-01': expected a day not after 2019-10-29"):
        select_days(WEEK, zone=ZONE, from_date="2019-11-01", to_date="2019-10-29")


@pytest.mark.parametrize("bound", ["from_date", "to_date"])
def test_refused_when_a_date_comes_with_a_range(bound):
    with pytest.raises(OptionError, match="not both"):
        select_days(WEEK, zone=ZONE, date="2019-10-29", **{bound: "2019-10-29"})


def test_no_session_names_the_days_of_the_file_and_the_nearest():
    expected = (
        r"date='2019-10-31': expected days with sessions; the file has 2019-10-28 to 2019-11-01 "
        r"\(local days, America/Los_Angeles\), the nearest with sessions is 2019-11-01"
    )
    with pytest.raises(OptionError, match=expected):
        select_days(WEEK, zone=ZONE, date="2019-10-31")


@pytest.mark.parametrize(
    ("bounds", "name"),
    [
        ({"from_date": "2020-01-01"}, "from='2020-01-01..'"),
        ({"to_date": "2019-01-01"}, "to='..2019-01-01'"),
        ({"from_date": "2020-01-01", "to_date": "2020-02-01"}, "from='2020-01-01..2020-02-01'"),
    ],
)
def test_no_session_names_the_range_asked_for(bounds, name):
    with pytest.raises(OptionError) as caught:
        select_days(WEEK, zone=ZONE, **bounds)
    assert str(caught.value).startswith(name)


def test_an_unknown_zone_names_the_nearest():
    with pytest.raises(OptionError, match="did you mean 'Europe/Zurich'"):
        checked_zone("europe/zurich")


@pytest.mark.parametrize("name", ["", "../etc/passwd", "Mars/Olympus", "+02:00"])
def test_refused_when_not_a_zone(name):
    with pytest.raises(OptionError, match="IANA time zone"):
        checked_zone(name)
