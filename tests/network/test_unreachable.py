"""Addresses behind which there is no node: one error, one sentence, no traceback of a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.network import bad_nodes
from trading.chain import open_network
from trading.errors import LedgerError, LedgerUnreachableError, OptionError, WrongLedgerError

NOT_NODES = {
    "a page": bad_nodes.page(b"<html>welcome</html>"),
    "an empty body": bad_nodes.page(b""),
    "bytes that are no text": bad_nodes.page(b"\xff\xfe\xfa"),
    "a list": bad_nodes.page(b"[1, 2]"),
    "a number": bad_nodes.page(b"42"),
    "an object of something else": bad_nodes.page(b'{"status": "ok"}'),
    "not found": bad_nodes.page(b"not here", status=404),
    "a fault": bad_nodes.page(b"oops", status=500),
    "a chain id in words": bad_nodes.result("mainnet"),
    "no chain id": bad_nodes.result(None),
    "a chain id as a list": bad_nodes.result([]),
}


@pytest.mark.parametrize("kind", NOT_NODES)
def test_open_says_so_when_the_answer_is_no_nodes(kind: str) -> None:
    not_a_node = pytest.raises(LedgerUnreachableError, match="not as an Ethereum node")
    with bad_nodes.serving(NOT_NODES[kind]) as address, not_a_node as caught, open_network(address):
        pass
    assert address in str(caught.value)
    assert caught.value.retryable


def test_open_says_so_when_nothing_listens() -> None:
    address = f"http://127.0.0.1:{bad_nodes.closed_port()}"
    with pytest.raises(LedgerUnreachableError, match="cannot be reached"), open_network(address):
        pass


def test_open_says_so_when_nothing_answers() -> None:
    with (
        bad_nodes.silent() as address,
        pytest.raises(LedgerUnreachableError, match="did not answer in time"),
        open_network(address, timeout_s=0.2),
    ):
        pass


def test_open_says_so_when_the_host_has_no_name() -> None:
    with (
        pytest.raises(LedgerUnreachableError, match="cannot be reached"),
        open_network("http://no-such-host.invalid:8545"),
    ):
        pass


def test_open_says_so_when_no_socket_is_at_the_path(tmp_path: Path) -> None:
    with (
        pytest.raises(LedgerUnreachableError, match="cannot be reached"),
        open_network(f"ipc:{tmp_path / 'node.ipc'}"),
    ):
        pass


@pytest.mark.parametrize("address", ["http://", "http://127.0.0.1:port", "https://:8545"])
def test_open_refuses_an_address_without_a_host(address: str) -> None:
    with pytest.raises(OptionError, match="network="), open_network(address):
        pass


@pytest.mark.parametrize(("setting", "near"), [("embeded", "embedded"), ("Anvil", "anvil")])
def test_open_names_the_networks_when_the_setting_is_unknown(setting: str, near: str) -> None:
    with pytest.raises(OptionError, match=f"did you mean '{near}'"), open_network(setting):
        pass


def test_errors_never_show_what_an_address_hides() -> None:
    address = f"http://user:secret@127.0.0.1:{bad_nodes.closed_port()}/v3/token?key=hidden"
    with pytest.raises(LedgerUnreachableError) as caught, open_network(address):
        pass
    for part in ("user", "secret", "token", "hidden"):
        assert part not in str(caught.value)


def test_node_that_refuses_a_request_is_quoted() -> None:
    with (
        bad_nodes.serving(bad_nodes.refusal(-32601, "the method does not exist")) as address,
        pytest.raises(LedgerError, match="refused the request: the method does not exist"),
        open_network(address),
    ):
        pass


def test_open_refuses_another_chain() -> None:
    with bad_nodes.serving(bad_nodes.result("0x7a69")) as address:
        with open_network(address, chain_id=31337) as network:
            assert network.chain_id == 31337
        with (
            pytest.raises(WrongLedgerError, match="is chain 31337, expected chain 1"),
            open_network(address, chain_id=1),
        ):
            pass


def test_open_refuses_another_chain_when_it_is_embedded() -> None:
    with (
        pytest.raises(WrongLedgerError, match="expected chain 1"),
        open_network("embedded", genesis_time=1, chain_id=1),
    ):
        pass


def test_time_of_a_running_chain_cannot_be_moved() -> None:
    with bad_nodes.serving(bad_nodes.result("0x1")) as address, open_network(address) as network:
        assert not network.can_travel
        with pytest.raises(LedgerError, match="cannot be moved"):
            network.travel_to(1)


def test_anvil_says_how_to_get_it_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANVIL", "/nonexistent/anvil")
    with pytest.raises(LedgerError, match="npm ci"), open_network("anvil"):
        pass


def test_anvil_says_so_when_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "anvil"
    program.write_text("#!/bin/sh\necho cannot bind\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("ANVIL", str(program))
    with pytest.raises(LedgerError, match="did not start: cannot bind"), open_network("anvil"):
        pass
