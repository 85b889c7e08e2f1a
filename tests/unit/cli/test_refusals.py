"""Every flag with a bad value: exit code 2, one message, and nothing on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

import trading.engine
import trading.engine.case_study
import trading.engine.day
import trading.study
from tests.unit.cli.commands import run
from trading.cli import app
from trading.errors import OptionError

EXAMPLE = Path(trading.study.__file__).with_name("example.toml")
STAYS = """session_id,arrival,departure,battery_capacity_wh,soc_arrival,need_wh
red,2026-06-01T06:00:00Z,2026-06-01T08:00:00Z,60000,0.35,14000
blue,2026-06-01T06:10:00Z,2026-06-01T08:00:00Z,80000,0.92,0
"""
SWITCHES = {
    *("--no-limits", "--json", "--help", "--csv", "--dry-run", "--example"),
    *("--arbitrage", "--merge-small"),
}
"""Flags without a value, of which none can be bad."""

BAD: dict[str, list[tuple[str, ...]]] = {
    "simulate": [
        ("--format", "xls"),
        ("--date", "yesterday"),
        ("--date", "2020-02-30"),
        ("--date", "2026-06-02"),
        ("--from", "2026-06-02"),
        ("--to", "20260601"),
        ("--timezone", "Mars/Olympus"),
        ("--assignment", "horoscope"),
        ("--interval", "soon"),
        ("--interval", "7min"),
        ("--interval", "0"),
        ("--network", "telegraph"),
        ("--network", "http://"),
        ("--operators", "0"),
        ("--operators", "many"),
        ("--quorum", "5"),
        ("--seed", "pi"),
        ("--guarantee", "maybe"),
        ("--v2g-share", "1.5"),
        ("--v2g-share", "nan"),
        ("--departures", "never"),
        ("--mechanism", "lottery"),
        ("--pricing", "haggling"),
        ("--pricing", "fixed:cheap"),
        ("--pricing", "fraction:1.5"),
        ("--lot", "nowhere.toml"),
        ("--strategy", "tomorrow"),
        ("--meter-interval", "7min"),
        ("--meter-interval", "soon"),
        ("--settlement-interval", "20min"),
        ("--settlement-interval", "soon"),
        ("--v2g-cap", "-1"),
        ("--v2g-cap", "much"),
        ("--replacement-spread", "1.5"),
        ("--shortfall", "nobody"),
        ("--priority", "lottery"),
        ("--smallest-trade", "0"),
        ("--smallest-trade", "1.5"),
        ("--buyer-threshold", "-0.1"),
        ("--seller-threshold", "nan"),
        ("--price", "cheap"),
        ("--lot-tariff", "-1"),
        ("--replacement-price", "inf"),
        ("--wear", "0,05"),
        ("--lot-fee", "5000"),
        ("--operator-fault", "asleep"),
        ("--engine-fault", "foo"),
        ("--confirmations", "shouted"),
        ("--out", ""),
    ],
    "demo": [
        ("--network", "telegraph"),
        ("--seed", "pi"),
        ("--out", " "),
    ],
    "case-study": [
        ("--buyers", "0"),
        ("--sellers", "1000"),
        ("--seed", "pi"),
        ("--price", "0"),
        ("--price", "cheap"),
        ("--grid-tariff", "-1"),
        ("--priority", "lottery"),
        ("--operators", "97"),
        ("--quorum", "0"),
        ("--network", "telegraph"),
        ("--out", ""),
    ],
    "sweep": [
        ("--jobs", "0"),
        ("--jobs", "all"),
        ("--dask", "local:none"),
        ("--out", ""),
    ],
}
CASES = [(command, *bad) for command, bads in BAD.items() for bad in bads]


@pytest.fixture
def no_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that may be named but not opened."""
    for module in (trading.engine.day, trading.engine.case_study):
        monkeypatch.setattr(module, "open_network", _named_only(module.open_network))


def _named_only(open_network: Callable[..., object]) -> Callable[..., object]:
    def refuse(setting: str, **options: object) -> object:
        assert setting in ("telegraph", "http://"), "a chain was opened first"
        return open_network(setting, **options)

    return refuse


def refused(home: Path, command: str, *arguments: str) -> str:
    """What stderr says of a command that is refused and leaves nothing behind."""
    stays, out = home / "stays.csv", home / "out"
    stays.write_text(STAYS)
    given = {
        "simulate": (str(stays), "--format", "peercharge"),
        "sweep": (str(EXAMPLE),),
    }.get(command, ())
    code, stdout, stderr = run(command, *given, "--out", out, *arguments)
    assert (code, stdout) == (2, "")
    assert "Traceback" not in stderr
    assert not out.exists()
    # The folder in which files are gathered stands beside, or in, the one that was asked for.
    assert [path.name for path in home.iterdir()] == ["stays.csv"]
    return stderr


@pytest.mark.usefixtures("no_chain")
@pytest.mark.parametrize(("command", "flag", "value"), CASES)
def test_a_bad_value_is_refused_by_the_name_of_its_flag(
    tmp_path: Path, command: str, flag: str, value: str
) -> None:
    stderr = refused(tmp_path, command, flag, value)
    if stderr.startswith("peercharge: "):
        assert stderr.startswith(f"peercharge: {flag}=")
        assert stderr.count("\n") == 1
    else:
        # What cannot be converted at all, typer refuses in its own words.
        assert stderr.startswith("Usage: ")
        assert f"Invalid value for '{flag}'" in stderr


@pytest.mark.parametrize("command", BAD)
def test_every_flag_has_a_bad_value_in_this_table(command: str) -> None:
    options = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    flags = {flag for option in options for flag in option.opts if flag.startswith("--")}
    assert flags - SWITCHES == {bad[0] for bad in BAD[command]}


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        (
            "simulate",
            ("--interval", "7min"),
            "--interval='7min': expected 1 to 60 minutes that divide the day evenly",
        ),
        (
            "simulate",
            ("--buyer-threshold", "0.9"),
            "--buyer-threshold=0.9: expected at most --seller-threshold=0.8, since Equation (1) "
            "needs T_b <= T_s; lower --buyer-threshold or raise --seller-threshold",
        ),
        (
            "simulate",
            ("--engine-fault", "foo"),
            "--engine-fault='foo': expected one of energy, price, cost, absent",
        ),
        (
            "simulate",
            ("--operator-fault", "silent") * 5,
            "--operator-fault='silent, silent, silent, silent, silent': expected at most as many "
            "as there are operators, 4",
        ),
        (
            "simulate",
            ("--date", "2026-06-01", "--to", "2026-06-02"),
            "--date='2026-06-01': expected either one date or a range (from, to), not both",
        ),
        (
            "simulate",
            ("--from", "2026-06-02", "--to", "2026-06-01"),
            "--from='2026-06-02': expected a day not after 2026-06-01, where the range ends",
        ),
    ],
)
def test_messages_speak_of_flags(
    tmp_path: Path, command: str, arguments: tuple[str, ...], said: str
) -> None:
    assert refused(tmp_path, command, *arguments) == f"peercharge: {said}\n"


def test_a_name_that_is_no_flag_of_the_command_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    error = OptionError("gate_lead_s", -1, "0 or more seconds, whatever buyer_threshold is")

    def refuse(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(trading.engine, "run_day", refuse)
    assert refused(tmp_path, "demo") == f"peercharge: {error}\n"


def test_a_file_of_sessions_that_is_missing_is_refused(tmp_path: Path) -> None:
    code, stdout, stderr = run(
        "simulate", tmp_path / "none.csv", "--format", "acn", "--out", tmp_path / "out"
    )
    assert (code, stdout) == (2, "")
    assert stderr == f"peercharge: {tmp_path / 'none.csv'}: there is no such file\n"
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_does_not_answer_is_another_failure(tmp_path: Path) -> None:
    stays = tmp_path / "stays.csv"
    stays.write_text(STAYS)
    code, stdout, stderr = run(
        *("simulate", stays, "--format", "peercharge", "--out", tmp_path / "out"),
        *("--network", "http://127.0.0.1:9"),
    )
    assert (code, stdout) == (1, "")
    assert stderr.startswith("peercharge: ")
    assert [path.name for path in tmp_path.iterdir()] == ["stays.csv"]
