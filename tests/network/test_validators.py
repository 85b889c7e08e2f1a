"""Four validators on this machine: the real day on them, and what happens when some are gone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.network import namespaces
from tests.tools import need_validators
from trading.chain import Consortium, Key, Network, PriceBand, attach, deploy, open_network
from trading.chain.networks.remote import RemoteNetwork
from trading.chain.sender import outcome, send
from trading.cli import app
from trading.data import sample_path
from trading.engine import Consensus, DayOptions, DayResult, Source, run_day
from trading.errors import NodeError, OutcomeUnknownError
from trading.lot import LotRules
from trading.network import LocalNetwork, Options, create
from trading.network.processes import Process, send_signal

AUTHORITY = Key.demonstration(5, "authority")
OWNER = Key.demonstration(5, "owner")
REAL_DAY = Source(path=sample_path(), format="acn", date="2019-10-29")

ROUND_S = 30.0
"""Longer than a round of IBFT that fails (11 s) and one that follows."""

STALL_S = 120.0
"""Two down and one back: rounds have grown by then, and the one that is back counts them anew."""

pytestmark = pytest.mark.xdist_group("validators")
"""One worker runs all of these, on one network."""


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    """Four validators that all run when a test begins."""
    need_validators()
    network = create(tmp_path_factory.mktemp("four") / "network")
    with running(network):
        yield network


@contextmanager
def running(network: LocalNetwork) -> Iterator[None]:
    network.up()
    try:
        yield
    finally:
        network.down()
        assert processes_of(network) == []


@pytest.fixture
def healthy(four: LocalNetwork) -> LocalNetwork:
    four.up()
    return four


def processes_of(network: LocalNetwork) -> list[int]:
    """Every process of this machine that was started with the network's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(network.directory) + b"/" in words:
                found.append(int(entry.name))
    return found


def deployed(network: Network) -> Consortium:
    return deploy(
        network,
        authority=AUTHORITY,
        operators=[OWNER.address],
        quorum=1,
        band=PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=1),
        largest_spread_ueur_per_kwh=0,
    )


def height_of(network: LocalNetwork) -> int:
    return max(network.client(seat.number).height() or 0 for seat in network.plan.seats)


def agree(network: LocalNetwork, numbers: tuple[int, ...] = (1, 2, 3, 4)) -> None:
    """All have the same block at the height that the best of them has now."""
    height = height_of(network)
    network.await_height(height, numbers=numbers, timeout_s=ROUND_S)
    assert len({network.client(number).block_hash(height) for number in numbers}) == 1


def test_status_tells_all_four_and_up_leaves_them_alone(healthy: LocalNetwork) -> None:
    before = [standing.pid for standing in healthy.standings()]
    runner = CliRunner()
    again = runner.invoke(app, ["network", "up", "--dir", str(healthy.directory)])
    told = runner.invoke(app, ["network", "status", "--json", "--dir", str(healthy.directory)])
    assert again.exit_code == told.exit_code == 0
    assert f"--network {healthy.urls[0]}" in again.stdout
    rows = json.loads(told.stdout)["validators"]
    assert [row["state"] for row in rows] == ["running"] * 4
    assert [row["peers"] for row in rows] == [3] * 4
    assert [row["pid"] for row in rows] == before == sorted(processes_of(healthy))
    agree(healthy)


def test_what_one_validator_takes_all_have(healthy: LocalNetwork) -> None:
    with open_network(healthy.urls[0], chain_id=healthy.plan.chain_id) as network:
        assert network.gas_price() == 0
        consortium = deployed(network)
        account = consortium.register("0x" + "ab" * 32, by=OWNER).account
        address, height = consortium.address, network.block_number()
    healthy.await_height(height, timeout_s=ROUND_S)
    for url in healthy.urls:
        with open_network(url) as network:
            assert attach(network, address).tag_of(account) == "0x" + "ab" * 32


def run_real_day(setting: str, rules: LotRules) -> DayResult:
    return run_day(
        REAL_DAY, DayOptions(rules=rules, consensus=Consensus(network=setting), compare=False)
    )


def is_as_on_the_embedded_chain(url: str, rules: LotRules) -> None:
    here, there = run_real_day("embedded", rules), run_real_day(url, rules)
    assert (there.trades["status"] == "settled").all()
    same = ["buyer_id", "seller_id", "energy_wh", "cost_ueur", "interval_start"]
    assert there.trades[same].equals(here.trades[same])
    money = ["session_id", "deposited_ueur", "withdrawn_ueur"]
    assert there.wallets[money].equals(here.wallets[money])


def test_real_day_is_as_on_the_embedded_chain(healthy: LocalNetwork) -> None:
    is_as_on_the_embedded_chain(healthy.urls[0], LotRules(interval_s=3600))


@pytest.mark.full
def test_real_day_by_quarter_hours_is_as_on_the_embedded_chain(healthy: LocalNetwork) -> None:
    is_as_on_the_embedded_chain(healthy.urls[1], LotRules())


def test_work_goes_on_when_one_validator_is_killed_and_comes_back(healthy: LocalNetwork) -> None:
    with open_network(healthy.urls[0]) as network:
        consortium = deployed(network)
        healthy.kill(4)
        accounts = [consortium.register(bytes(32), by=OWNER).account for _ in range(4)]
        assert accounts == [1, 2, 3, 4]
        assert [standing.state for standing in healthy.standings()][3] == "stopped"
        healthy.start(4)
        healthy.await_height(network.block_number(), timeout_s=ROUND_S)
        assert consortium.register(bytes(32), by=OWNER).account == 5
    agree(healthy)
    with open_network(healthy.urls[3]) as network:
        assert Consortium(network, consortium.address).account_count() == 5


def test_work_moves_to_another_endpoint_when_its_validator_is_killed(
    healthy: LocalNetwork,
) -> None:
    with open_network(",".join(healthy.urls)) as network:
        assert isinstance(network, RemoteNetwork)
        consortium = deployed(network)
        assert network.endpoint == healthy.urls[0]
        healthy.kill(1)
        calls = [consortium.call("register", bytes(32), by=OWNER) for _ in range(5)]
        receipts = consortium.send_all(calls)
        assert [receipt.account for receipt in receipts] == [1, 2, 3, 4, 5]  # type: ignore[attr-defined]
        assert network.endpoint == healthy.urls[1]
        healthy.start(1)
        healthy.await_height(network.block_number(), timeout_s=ROUND_S)
        assert consortium.account_count() == 5
    agree(healthy)


def test_work_stops_with_two_killed_and_resumes_with_nothing_lost(healthy: LocalNetwork) -> None:
    with open_network(healthy.urls[0]) as network:
        consortium = deployed(network)
        healthy.kill(3)
        healthy.kill(4)
        # What was agreed before the second died may still come.
        time.sleep(1)
        stood_at = height_of(healthy)
        sent = send(network, [consortium.call("register", bytes(32), by=OWNER) for _ in range(3)])
        with pytest.raises(OutcomeUnknownError, match="check that its validators run"):
            outcome(network, sent[0], timeout_s=5)
        assert height_of(healthy) == stood_at
        healthy.start(3)
        receipts = [outcome(network, one, timeout_s=STALL_S) for one in sent]
        assert [receipt["status"] for receipt in receipts] == [1, 1, 1]
        assert consortium.account_count() == 3
        healthy.start(4)
        healthy.await_health(timeout_s=STALL_S)
    agree(healthy)


def test_validator_that_hangs_is_silent_then_catches_up(healthy: LocalNetwork) -> None:
    process = healthy.process(2)
    assert process is not None
    send_signal(process, signal.SIGSTOP)
    try:
        before = height_of_others(healthy, 2)
        assert healthy.standings()[1].state == "silent"
        healthy.await_height(before + 3, numbers=(1, 3, 4), timeout_s=2 * ROUND_S)
    finally:
        send_signal(process, signal.SIGCONT)
    agree(healthy)


def height_of_others(network: LocalNetwork, number: int) -> int:
    others = [seat.number for seat in network.plan.seats if seat.number != number]
    return max(network.client(other).height() or 0 for other in others)


def test_up_after_down_has_the_same_chain(healthy: LocalNetwork) -> None:
    with open_network(healthy.urls[0]) as network:
        consortium = deployed(network)
        consortium.register(bytes(32), by=OWNER)
        height = network.block_number()
    block = healthy.client(1).block_hash(height)
    healthy.await_height(height, timeout_s=ROUND_S)
    healthy.down()
    assert processes_of(healthy) == []
    assert {standing.state for standing in healthy.standings()} == {"stopped"}
    healthy.down()
    healthy.up()
    assert [healthy.client(number).block_hash(height) for number in (1, 2, 3, 4)] == [block] * 4
    with open_network(healthy.urls[2]) as network:
        assert Consortium(network, consortium.address).account_count() == 1


def test_down_spares_a_process_that_has_the_id_of_a_validator_now(healthy: LocalNetwork) -> None:
    mine = os.getpid()
    record = healthy.directory / "validator-1" / "process.json"
    real = record.read_text(encoding="utf-8")
    record.write_text(Process(pid=mine, began="another time").model_dump_json(), encoding="utf-8")
    try:
        assert healthy.process(1) is None
        healthy.stop(1)
        healthy.kill(1)
    finally:
        record.write_text(real, encoding="utf-8")
    assert healthy.process(1) is not None


def test_up_ends_what_it_started_when_a_validator_does_not_come_up(tmp_path: Path) -> None:
    need_validators()
    network = create(tmp_path / "network", Options(validators=2))
    key = network.directory / "validator-2" / "consensus" / "validator.key"
    key.write_text("no key", encoding="utf-8")
    with pytest.raises(NodeError, match=r"validator 2 .* has ended; its log ends with"):
        network.up(timeout_s=ROUND_S)
    assert processes_of(network) == []


def test_validator_that_is_cut_off_is_overtaken_and_catches_up_when_healed(tmp_path: Path) -> None:
    need_validators()
    if not namespaces.can_be_made():
        pytest.skip("cutting a cable needs root, `ip`, and leave to make network namespaces")
    with namespaces.cabled(4) as cables:
        network = create(tmp_path / "network", Options(places=cables.places))
        with running(network):
            cables.cut(4)
            before = height_of(network)
            # Blocks that were under way, then a round without the one that is gone.
            network.await_height(before + 5, numbers=(1, 2, 3), timeout_s=3 * ROUND_S)
            with open_network(network.urls[0]) as chain:
                consortium = deployed(chain)
                consortium.register(bytes(32), by=OWNER)
                height = chain.block_number()
            assert network.client(4).height() is None
            assert network.process(4) is not None
            cables.heal(4)
            network.await_height(height, timeout_s=STALL_S)
            agree(network)
            with open_network(network.urls[3]) as chain:
                assert Consortium(chain, consortium.address).account_count() == 1


@pytest.mark.full
def test_halves_that_are_parted_stop_and_go_on_as_one_when_healed(tmp_path: Path) -> None:
    need_validators()
    if not namespaces.can_be_made():
        pytest.skip("cutting a cable needs root, `ip`, and leave to make network namespaces")
    with namespaces.cabled(4) as cables:
        network = create(tmp_path / "network", Options(places=cables.places))
        with running(network):
            cables.cut(3)
            cables.cut(4)
            time.sleep(2)
            stood_at = height_of(network)
            time.sleep(10)
            assert height_of(network) == stood_at
            cables.heal(3)
            cables.heal(4)
            network.await_height(stood_at + 3, timeout_s=2 * STALL_S)
            agree(network)
