"""The benchmarks time what they say, and give no number where none was seen."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import clearing, smart_charging, speed, validation
from benchmarks.peers import environments
from benchmarks.timing import Timing
from trading.data import load_sessions, sample_path
from trading.market import MECHANISMS, clear


@pytest.mark.parametrize("name", ["uniform-price", "pay-as-bid", "pro-rata"])
def test_the_timed_span_ends_with_the_trades_that_clear_returns(name: str) -> None:
    book = clearing.random_book(200, seed=7)
    orders = clearing.order_table(book)
    ids = np.array([f"ev-{number:03d}" for number in range(len(orders))], dtype=object)
    public = pd.DataFrame(
        {
            "vehicle_id": ids[orders["code"]],
            "side": np.where(orders["is_bid"], "buy", "sell"),
            "energy_wh": orders["energy_wh"],
            "soc": orders["soc"],
            "arrival": 0,
            "limit_price_ueur_per_kwh": orders["limit_price_ueur_per_kwh"],
        }
    )
    timed = clearing.clear_table(orders, MECHANISMS[name], ids)
    pd.testing.assert_frame_equal(timed, clear(public, mechanism=name, price=clearing.PRICE))


def test_a_mechanism_that_misses_the_optimum_is_not_timed() -> None:
    book = clearing.random_book(200, seed=7)
    with pytest.raises(clearing.VolumeError, match="the exact optimum is"):
        clearing.measure("uniform-price", MECHANISMS["mcafee"], book, repeats=1)


def test_a_peer_without_an_environment_is_not_installed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(environments, "HERE", tmp_path)
    with pytest.raises(environments.PeerMissingError, match="not installed"):
        environments.run("assume", "book.npz")


def test_a_peer_that_cannot_be_installed_says_why(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(environments, "HERE", tmp_path)
    pins = environments.requirements_of("assume")
    pins.write_text("assume-framework==0.6.0\n./not-a-package\n", encoding="utf-8")
    monkeypatch.setattr(environments, "_called", _refuse)
    assert environments.main(["assume"]) == 0
    assert capsys.readouterr().out == "assume: not installed: no such package\n"


def test_a_peers_memory_is_its_own_and_not_that_of_who_started_it() -> None:
    """A process that holds 200 MB becomes another one, as a benchmark's copy becomes a peer."""
    peer = "from memory import peak_mb; print(peak_mb())"
    starter = (
        "import os, sys; held = b'x' * 200_000_000; "
        f"os.execv(sys.executable, [sys.executable, '-c', {peer!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", starter],
        cwd=environments.HERE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None" or 1 < float(done.stdout) < 100


def _refuse(_command: list[str]) -> None:
    raise environments.PeerMissingError("not installed: no such package")


@pytest.mark.parametrize(
    ("name", "version"), [("pymarket", "0.7.6"), ("assume", "0.6.0"), ("acnportal", "0.3.3")]
)
def test_the_peers_are_those_that_the_tables_name(name: str, version: str) -> None:
    assert environments.version_of(name) == version


def test_what_was_not_measured_is_null_and_has_its_reason(tmp_path, monkeypatch) -> None:
    report = speed.Report()
    monkeypatch.setattr(environments, "HERE", tmp_path)
    speed.report_month(report, tmp_path, repeats=1)
    assert report.numbers["caltech_30d_s"] is None
    assert "no acn/caltech" in report.details["missing"]["caltech_30d_s"]


def test_a_missed_bar_is_remembered() -> None:
    report = speed.Report()
    assert report.at_most("optimum_day_s", 0.5, 1.0).endswith("holds")
    assert report.at_least("clearing_ratio_best_peer", 299.0, 300.0).endswith("MISSED")
    assert report.missed == ["clearing_ratio_best_peer is 299, bar at least 300"]


def test_the_committed_results_have_every_number() -> None:
    results = json.loads(speed.RESULTS.read_text(encoding="utf-8"))
    assert set(results) == {*speed.KEYS, "details"}
    assert all(isinstance(results[key], int | float) for key in speed.KEYS)
    assert results["details"]["missing"] == {}


def test_a_timing_is_the_median_of_its_runs() -> None:
    timing = Timing.of([0.3, 0.1, 0.2], [0.2, 0.1, 0.1])
    assert (timing.median_ms, timing.cpu_s, timing.runs) == (200.0, 0.1, 3)
    assert (timing.fastest_s, timing.slowest_s) == (0.1, 0.3)


def test_uncontrolled_charging_differs_from_whole_periods_by_what_they_cut(lot_month) -> None:
    """ACN-Sim's rule, written out: the need, or full power over the stay in whole periods."""
    ours = validation.uncontrolled(lot_month)
    theirs = _in_whole_periods(lot_month, period_min=5)
    found = validation._difference(ours, lot_month, theirs)
    assert (found.unexplained, found.beyond) == (0, 0)
    theirs["delivered_kwh"]["late"] -= 0.1
    assert validation._difference(ours, lot_month, theirs).unexplained == 1


@pytest.fixture
def lot_month() -> pd.DataFrame:
    times = pd.to_datetime(["2019-10-29T08:01:10Z", "2019-10-29T08:14:50Z"]).as_unit("us")
    return pd.DataFrame(
        {
            "session_id": ["early", "late"],
            "arrival": times,
            "departure": times + pd.to_timedelta([3_000, 1_000], unit="s"),
            "estimated_departure": pd.Series([pd.NaT, pd.NaT], dtype=times.dtype),
            "battery_capacity_wh": [60_000, 60_000],
            "soc_arrival": [0.5, 0.5],
            "soc_source": ["declared", "declared"],
            "need_wh": [3_000, 5_000],
            "charge_power_w": [validation.POWER_W] * 2,
            "discharge_power_w": [validation.POWER_W] * 2,
            "reserve_soc": [0.0, 0.0],
        }
    )


def _in_whole_periods(sessions: pd.DataFrame, *, period_min: int) -> dict:
    period_s = period_min * 60
    arrival, departure = (
        sessions[name].dt.as_unit("s").astype("int64") // period_s * period_s
        for name in ("arrival", "departure")
    )
    stay_s = departure - arrival
    energy_wh = np.minimum(sessions["need_wh"], stay_s * validation.POWER_W / 3600)
    names = sessions["session_id"]
    return {
        "period_min": period_min,
        "first_s": int(arrival.min()),
        "load_w": [0.0],
        "delivered_kwh": dict(zip(names, energy_wh / 1e3, strict=True)),
        "stay_s": dict(zip(names, stay_s.astype(float), strict=True)),
    }


def _drew(rows_wh: list[float]) -> smart_charging.Run:
    """A run of one period, in which each charger can give 1,000 Wh and the connection as much."""
    drawn = np.array(rows_wh, np.float64)[:, None]
    return smart_charging.Run(
        name="a run",
        limit_w=1_000 * 60 // smart_charging.PERIOD_MIN,
        drawn_wh=drawn,
        possible_wh=np.full_like(drawn, 1_000),
    )


@pytest.mark.parametrize(
    ("theirs", "causes"),
    [
        ([500, 500, 0], {}),
        ([0, 500, 500], {"limit": 2}),
        # There was room for more, so whoever goes short has waited for nothing.
        ([0, 500, 0], {"waited": 1}),
        # More than the need has no cause.
        ([900, 500, 0], {"": 1}),
    ],
)
def test_a_session_that_differs_has_the_cause_that_its_run_shows(theirs, causes) -> None:
    needed_wh = np.array([500.0, 500.0, 500.0])
    pair = smart_charging.paired(_drew([500, 500, 0]), _drew(theirs), needed_wh)
    assert {name: n for name, n in pair.causes.items() if n} == causes
    assert pair.same == 3 - sum(causes.values())


def test_our_runs_under_a_limit_break_no_rule_and_the_optimum_serves_the_most() -> None:
    week = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    sessions = smart_charging.in_periods(week)
    runs = smart_charging.our_runs(sessions, 20_000)
    needed_wh = sessions.sort_values("session_id")["need_wh"].to_numpy(float)
    needed_wh = np.minimum(needed_wh, runs[0].possible_wh.sum(axis=1))
    assert smart_charging.faults_of(runs, [], needed_wh) == []
    assert runs[0].energy_wh.sum() < needed_wh.sum() - 1_000
    wasteful = replace(runs[0], drawn_wh=runs[0].drawn_wh * 0.9)
    assert "goes short while" in smart_charging.faults_of([wasteful, runs[-1]], [], needed_wh)[0]
