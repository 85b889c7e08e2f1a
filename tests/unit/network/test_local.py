"""A network's folder: what is made in it, and what is refused before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trading.cli import app
from trading.errors import NodeError, OptionError
from trading.network import LocalNetwork, Options, create, find, open_or_create
from trading.network.engines import engine_named
from trading.network.local import PLAN_FILE
from trading.network.plan import Place, Plan, Seat
from trading.network.ports import free_ports


@pytest.fixture(autouse=True)
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERCHARGE_CACHE", str(tmp_path / "cache"))


def plan_of(count: int = 4) -> Plan:
    return Plan(
        engine="polygon-edge",
        version=engine_named("polygon-edge").module.version,
        chain_id=7,
        block_time_s=1,
        block_gas=500_000_000,
        seats=tuple(
            Seat(number=n, place=Place(), ports={"rpc": 9_000 + n, "p2p": 9_100 + n, "grpc": 1})
            for n in range(1, count + 1)
        ),
    )


def made(directory: Path, **changes: object) -> LocalNetwork:
    """A folder as `create` leaves it, without keys."""
    directory.mkdir()
    for seat in plan_of().seats:
        (directory / f"validator-{seat.number}").mkdir()
    text = json.dumps(json.loads(plan_of().model_dump_json()) | changes)
    (directory / PLAN_FILE).write_text(text, encoding="utf-8")
    return find(directory)


@pytest.mark.parametrize(("count", "tolerated"), [(1, 0), (3, 0), (4, 1), (6, 1), (7, 2)])
def test_a_third_less_one_may_be_lost(count: int, tolerated: int) -> None:
    assert plan_of(count).tolerated == tolerated


def test_network_that_does_not_run_is_told_as_stopped(tmp_path: Path) -> None:
    network = made(tmp_path / "net")
    assert [standing.state for standing in network.standings()] == ["stopped"] * 4
    assert network.urls[1] == "http://127.0.0.1:9002"
    network.down()


@pytest.mark.parametrize("record", ["", "{}", '{"pid": 1', '{"pid": "x", "began": ""}'])
def test_process_record_that_was_cut_short_is_no_process(tmp_path: Path, record: str) -> None:
    network = made(tmp_path / "net")
    (tmp_path / "net" / "validator-1" / "process.json").write_text(record, encoding="utf-8")
    assert network.process(1) is None


def test_there_is_no_validator_beyond_the_last(tmp_path: Path) -> None:
    network = made(tmp_path / "net")
    for number in (0, 5):
        with pytest.raises(OptionError, match="1 to 4"):
            network.stop(number)


def test_start_says_how_to_build_when_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="peercharge network build"):
        made(tmp_path / "net").up()


def test_create_says_how_to_build_and_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="peercharge network build"):
        create(tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("", encoding="utf-8")
    with pytest.raises(OptionError, match="absent or empty"):
        create(tmp_path)


def test_folder_without_a_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"network\.json"):
        find(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"chain_id": 0}, "chain_id"),
        ({"seats": []}, "seats"),
        ({"colour": "red"}, "colour"),
        ({"version": "v1.0.0"}, r"made with v1\.0\.0"),
        ({"engine": "polygon-edg"}, "did you mean 'polygon-edge'"),
    ],
)
def test_plan_of_another_version_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        made(tmp_path / "net", **changes)


@pytest.mark.parametrize(
    "options", [Options(validators=5), Options(block_time_s=2), Options(chain_id=8)]
)
def test_options_of_a_network_that_exists_cannot_change(tmp_path: Path, options: Options) -> None:
    made(tmp_path / "net")
    with pytest.raises(OptionError, match=r"as the network in .* was made"):
        open_or_create(tmp_path / "net", options)


def test_ports_are_free_and_no_port_is_given_twice() -> None:
    first = free_ports(["127.0.0.1"] * 4, 3, near="a folder")
    assert free_ports(["127.0.0.1"] * 4, 3, near="a folder") == first
    flat = [port for ports in first for port in ports]
    assert len(set(flat)) == 12
    assert free_ports(["127.0.0.1"] * 4, 3, near="another") != first


@pytest.mark.parametrize("command", ["status", "down", "stop", "start"])
def test_commands_exit_with_2_where_there_is_no_network(tmp_path: Path, command: str) -> None:
    words = ["network", command, "--dir", str(tmp_path)]
    words += ["--validator", "1"] if command in ("stop", "start") else []
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "network.json" in done.stderr


def test_up_exits_with_1_when_nothing_is_built(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["network", "up", "--dir", str(tmp_path / "net")])
    assert done.exit_code == 1
    assert "peercharge network build" in done.stderr
