from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.commands import run
from trading.market import PRIORITIES

FLEET = """vehicle_id,battery_capacity_kwh,soc,colour
ev-2,60,0.30,red
ev-1,40,0.35,"blue, light"
ev-3,80,0.95,
ev-4,50,0.60,
ev-5,50,0.70,
"""
ROLES = """vehicle_id,role,required_wh,available_wh
ev-2,buyer,18000,0
ev-1,buyer,10000,0
ev-3,seller,0,12000
ev-4,buyer,0,0
ev-5,neutral,0,0
"""
NAMES = "buyer_id,seller_id,energy_wh,price_ueur_per_kwh,cost_ueur\n"
# 12000 * 10000 / 28000 = 4285 5/7; the other remainder is smaller.
TRADES = NAMES + "ev-1,ev-3,4286,250000,1071500\nev-2,ev-3,7714,250000,1928500\n"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.csv"
    path.write_text(FLEET)
    return path


def match(fleet: Path, *options: object) -> tuple[str, str]:
    """The two files of a run that succeeds."""
    out = fleet.parent / "out"
    code, _, stderr = run("match", fleet, "--out", out, *options)
    assert (code, stderr) == (0, "")
    return (out / "roles.csv").read_text(), (out / "trades.csv").read_text()


def refusal(fleet: Path, *options: object) -> str:
    """What is said on stderr of a run that is refused, which writes nothing."""
    out = fleet.parent / "out"
    code, stdout, stderr = run("match", fleet, "--out", out, *options)
    assert code == 2
    assert stdout == ""
    assert "Traceback" not in stderr
    assert not out.exists()
    return stderr


def test_match_writes_roles_and_trades(fleet: Path) -> None:
    assert match(fleet) == (ROLES, TRADES)
    assert sorted(file.name for file in (fleet.parent / "out").iterdir()) == [
        "roles.csv",
        "trades.csv",
    ]


def test_match_writes_the_same_trades_when_rows_come_in_another_order(fleet: Path) -> None:
    names, *rows = FLEET.splitlines(keepends=True)
    fleet.write_text("".join([names, *reversed(rows)]))
    roles, trades = match(fleet)
    assert roles.splitlines()[1:] == ROLES.splitlines()[:0:-1]
    assert trades == TRADES


@pytest.mark.parametrize(
    ("priority", "rows"),
    [
        ("neediest", "ev-2,ev-3,12000,250000,3000000\n"),
        ("largest", "ev-2,ev-3,12000,250000,3000000\n"),
        ("arrival", "ev-1,ev-3,10000,250000,2500000\nev-2,ev-3,2000,250000,500000\n"),
    ],
)
def test_match_serves_by_priority(fleet: Path, priority: str, rows: str) -> None:
    assert match(fleet, "--priority", priority) == (ROLES, NAMES + rows)


def test_match_goes_by_the_column_arrival_when_there_is_one(fleet: Path) -> None:
    fleet.write_text(
        "vehicle_id,battery_capacity_kwh,soc,arrival\n"
        "ev-1,40,0.35,2019-10-29T08:00:00+01:00\n"
        "ev-2,60,0.30,2019-10-29T06:59:59Z\n"
        "ev-3,80,0.95,2019-10-29T09:00:00Z\n"
    )
    _, trades = match(fleet, "--priority", "arrival")
    assert trades == NAMES + "ev-2,ev-3,12000,250000,3000000\n"


def test_a_column_arrival_is_read_only_when_it_counts(fleet: Path) -> None:
    fleet.write_text("vehicle_id,battery_capacity_kwh,soc,arrival\nev-1,40,0.35,soon\n")
    match(fleet)
    (fleet.parent / "out" / "roles.csv").unlink()
    code, _, stderr = run("match", fleet, "--out", fleet.parent / "out", "--priority", "arrival")
    assert code == 2
    assert "row 2, column 'arrival': found 'soon', expected an ISO 8601 time" in stderr
    assert not (fleet.parent / "out" / "roles.csv").exists()


def test_strict_makes_a_vehicle_on_the_threshold_neutral(fleet: Path) -> None:
    roles, _ = match(fleet, "--strict")
    assert roles == ROLES.replace("ev-4,buyer", "ev-4,neutral")


def test_thresholds_move_who_trades(fleet: Path) -> None:
    roles, _ = match(fleet, "--buyer-threshold", 0.3, "--seller-threshold", 0.7)
    assert roles.splitlines()[1:] == [
        "ev-2,buyer,0,0",
        "ev-1,neutral,0,0",
        "ev-3,seller,0,20000",
        "ev-4,neutral,0,0",
        "ev-5,seller,0,0",
    ]


def test_a_price_of_zero_is_allowed(fleet: Path) -> None:
    _, trades = match(fleet, "--price", 0)
    assert trades == NAMES + "ev-1,ev-3,4286,0,0\nev-2,ev-3,7714,0,0\n"


def test_trades_are_only_names_when_nobody_sells(fleet: Path) -> None:
    assert match(fleet, "--seller-threshold", 1)[1] == NAMES


def test_a_price_is_taken_as_typed(fleet: Path) -> None:
    assert "ev-1,ev-3,4286,123457,529136" in match(fleet, "--price", "0.123457")[1]


def test_the_result_is_a_table_with_units_or_json(fleet: Path) -> None:
    out = fleet.parent / "out"
    _, table, _ = run("match", fleet, "--out", out)
    for text in ("28.000 kWh", "12.000 kWh", "3.000000 EUR", "0.250000 EUR/kWh", "pro-rata"):
        assert text in table
    assert str(out / "trades.csv") in table
    _, text, _ = run("match", fleet, "--out", out, "--json")
    assert json.loads(text) == {
        "vehicles": 5,
        "buyers": 3,
        "sellers": 1,
        "neutral": 1,
        "required_wh": 28_000,
        "available_wh": 12_000,
        "trades": 2,
        "energy_traded_wh": 12_000,
        "cost_ueur": 3_000_000,
        "price_ueur_per_kwh": 250_000,
        "priority": "pro-rata",
        "files": [str(out / "roles.csv"), str(out / "trades.csv")],
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--price", "-0.01"),
            "--price='-0.01': expected a price in EUR/kWh from 0 to 4294.967295",
        ),
        (("--price", "nan"), "--price='nan': expected a price in EUR/kWh from 0 to 4294.967295"),
        (("--price", "0,25"), "--price='0,25': expected a price in EUR/kWh, such as 0.25"),
        (
            ("--buyer-threshold", "1.2"),
            "--buyer-threshold=1.2: expected a state of charge from 0 to 1",
        ),
        (
            ("--seller-threshold", "nan"),
            "--seller-threshold=nan: expected a state of charge from 0 to 1",
        ),
        (
            ("--buyer-threshold", "0.9"),
            "--buyer-threshold=0.9: expected at most --seller-threshold=0.8, since Equation (1) "
            "needs T_b <= T_s; lower --buyer-threshold or raise --seller-threshold",
        ),
        (
            ("--priority", "needy"),
            "--priority='needy': expected one of pro-rata, arrival, neediest, largest; "
            "did you mean 'neediest'?",
        ),
    ],
)
def test_an_option_is_refused(fleet: Path, options: tuple[str, str], expected: str) -> None:
    assert refusal(fleet, *options) == f"peercharge: {expected}\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "expected a line of column names, found an empty file"),
        (
            "vehicle_id,soc\nev-1,0.5\n",
            "column 'battery_capacity_kwh': expected this column, but it is missing "
            "(found: 'vehicle_id', 'soc')",
        ),
        (
            "vehicle_id,battery_capacity_kwh,soc\nev-1,40,1.2\n",
            "row 2, column 'soc': found '1.2', expected a state of charge from 0 to 1",
        ),
        (
            "vehicle_id,battery_capacity_kwh,soc\nev-1,inf,0.5\n",
            "row 2, column 'battery_capacity_kwh': found 'inf', "
            "expected a finite capacity above 0 and at most 4294967 kWh",
        ),
    ],
)
def test_a_fleet_is_refused(fleet: Path, content: str, expected: str) -> None:
    fleet.write_text(content)
    assert refusal(fleet) == f"peercharge: {fleet}: {expected}\n"


def test_every_fault_of_a_fleet_is_told(fleet: Path) -> None:
    fleet.write_text("vehicle_id,battery_capacity_kwh,soc\nev-1,0,nan\nev-1,40,0.5\n")
    told = refusal(fleet).removeprefix("peercharge: ").splitlines()
    assert [line.removeprefix(f"{fleet}: ").split(":")[0] for line in told] == [
        "row 2, column 'vehicle_id'",
        "row 2, column 'battery_capacity_kwh'",
        "row 2, column 'soc'",
        "row 3, column 'vehicle_id'",
    ]


def test_a_file_in_the_place_of_the_folder_is_refused(fleet: Path) -> None:
    code, _, stderr = run("match", fleet, "--out", fleet)
    assert code == 2
    assert stderr == f"peercharge: --out='{fleet}': expected a folder, but {fleet} is a file\n"
    assert fleet.read_text() == FLEET


def test_old_results_stay_when_a_run_is_refused(fleet: Path) -> None:
    before = match(fleet)
    fleet.write_text(FLEET.replace("0.95", "9.5"))
    out = fleet.parent / "out"
    code, _, _ = run("match", fleet, "--out", out)
    assert code == 2
    assert ((out / "roles.csv").read_text(), (out / "trades.csv").read_text()) == before


def test_usage_errors_exit_with_2(fleet: Path) -> None:
    assert run("match", fleet)[0] == 2
    assert run("match", fleet, "--out", "x", "--colour", "red")[0] == 2
    assert run("match", "--out", "x")[0] == 2
    assert run("no-such-command")[0] == 2


def test_debug_shows_the_traceback(fleet: Path) -> None:
    out = fleet.parent / "out"
    code, _, stderr = run("--debug", "match", fleet, "--out", out, "--price", "-1")
    assert code == 2
    assert stderr.startswith("Traceback")
    assert "OptionError: price='-1'" in stderr


def test_help_names_every_mechanism_of_a_posted_price() -> None:
    code, stdout, _ = run("match", "--help")
    assert code == 0
    assert all(name in stdout for name in PRIORITIES)


def subprocess_run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


MAIN = "from trading.cli import main; main()"


def test_the_command_runs_as_a_process(fleet: Path) -> None:
    out = fleet.parent / "out"
    done = subprocess_run(MAIN, "match", fleet, "--out", out, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["energy_traded_wh"] == 12_000
    assert (out / "trades.csv").read_text() == TRADES
    refused = subprocess_run(MAIN, "match", fleet.parent / "nothing.csv", "--out", out)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"peercharge: {fleet.parent / 'nothing.csv'}: there is no such file\n"


def test_help_imports_nothing_that_takes_long() -> None:
    heavy = "numpy pandas pandera web3 eth_tester matplotlib scipy"
    done = subprocess_run(
        f"import sys, trading.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
