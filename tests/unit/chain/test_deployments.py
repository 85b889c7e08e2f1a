"""The deployments file: it comes back as it was written, and holds a command to one consortium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trading.chain import Key, Network, PriceBand, deploy, open_network
from trading.chain.deployments import (
    Deployment,
    open_deployment,
    read_deployment,
    write_deployment,
)
from trading.errors import ConfigError, OptionError, WrongLedgerError

GENESIS = 1_572_307_200
AUTHORITY = Key.demonstration(3, "authority")


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with open_network("embedded", genesis_time=GENESIS) as opened:
        yield opened


@pytest.fixture(scope="module")
def deployment(network: Network) -> Deployment:
    consortium = deploy(
        network,
        authority=AUTHORITY,
        operators=[AUTHORITY.address],
        quorum=1,
        band=PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=600_000),
        largest_spread_ueur_per_kwh=50_000,
    )
    return Deployment.of(consortium, name="lots of the north")


def test_file_leads_back_to_the_consortium(
    network: Network, deployment: Deployment, tmp_path: Path
) -> None:
    path = tmp_path / "deployment.json"
    write_deployment(deployment, path)
    assert read_deployment(path) == deployment
    found = open_deployment(network, path)
    assert (found.address, found.first_block) == (deployment.contract, deployment.first_block)
    assert len(found.events()) == 5


def test_the_same_is_written_again_and_another_is_not(
    deployment: Deployment, tmp_path: Path
) -> None:
    path = tmp_path / "deployment.json"
    write_deployment(deployment, path)
    write_deployment(deployment, path)
    before = path.read_bytes()
    with pytest.raises(OptionError, match="a file that is not there yet"):
        write_deployment(deployment.model_copy(update={"name": "another"}), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["deployment.json"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chain_id": 1}, "is on chain 1;"),
        ({"genesis": "0x" + "00" * 32}, "or one that was begun anew"),
        ({"contract_digest": "00" * 32}, "use the version that deployed it"),
        ({"contract": AUTHORITY.address}, "there is no contract at"),
        ({"token": AUTHORITY.address}, "take the file from another member"),
    ],
)
def test_a_file_that_does_not_fit_the_chain_is_refused(
    network: Network, deployment: Deployment, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(WrongLedgerError, match=said):
        open_deployment(network, deployment.model_copy(update=change))


def test_a_token_is_no_consortium(network: Network, deployment: Deployment) -> None:
    other = deployment.model_copy(update={"contract": deployment.token})
    with pytest.raises(WrongLedgerError, match="not the consortium contract of this version"):
        open_deployment(network, other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version=2: expected 1; use the peercharge that wrote it"),
        ({"version": 0}, "version=0"),
        ({"contract": "0x12"}, "contract='0x12': expected 0x and 40 hexadecimal digits"),
        ({"genesis": "0x12"}, "genesis='0x12': expected 0x and 64 hexadecimal digits"),
        ({"contract_digest": "g"}, "contract_digest='g': expected 64 hexadecimal digits"),
        ({"chain_id": "31337"}, "chain_id='31337'"),
        ({"first_block": -1}, "first_block=-1"),
        ({"deployed_at": "yesterday"}, "deployed_at='yesterday'"),
        ({"password": "x"}, "password is not a key of this file"),
        ({"name": None}, "name=None"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_key(
    deployment: Deployment, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(json.loads(deployment.to_json()) | change))
    with pytest.raises(ConfigError) as caught:
        read_deployment(path)
    assert f"{path}: {said}" in str(caught.value)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    path.write_text('{"version": 1, "chain_id": 0}')
    with pytest.raises(ConfigError) as caught:
        read_deployment(path)
    assert len(caught.value.faults) == 8


@pytest.mark.parametrize("content", [None, "", "{", "[]", "\x00"])
def test_what_is_no_deployments_file_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "deployment.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"deployment\.json"):
        read_deployment(path)
