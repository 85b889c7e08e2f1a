"""What a consortium deploys to Besu: files that agree with one another. No container is started."""

from __future__ import annotations

import json
import runpy
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
import rlp
import yaml
from eth_keys.datatypes import PrivateKey

from tests.tools import ROOT

BESU = ROOT / "deploy" / "besu"
PREPARE = runpy.run_path(str(BESU / "prepare.py"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("besu")
    assert PREPARE["main"]([str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((BESU / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def keys_of(folder: Path) -> list[PrivateKey]:
    return [
        PrivateKey(bytes.fromhex((home / "key").read_text(encoding="utf-8").strip()[2:]))
        for home in sorted((folder / "network").glob("validator-*"))
    ]


def test_genesis_names_the_four_validators(prepared: Path) -> None:
    text = (prepared / "network" / "public" / "genesis.json").read_text(encoding="utf-8")
    genesis = json.loads(text)
    vanity, members, votes, round_, seals = rlp.decode(bytes.fromhex(genesis["extraData"][2:]))
    assert members == [key.public_key.to_canonical_address() for key in keys_of(prepared)]
    assert len(set(members)) == 4
    assert (len(vanity), list(votes), round_, list(seals)) == (32, [], b"", [])


def test_gas_is_free_and_blocks_are_as_large_as_the_configuration_says(prepared: Path) -> None:
    public = prepared / "network" / "public"
    genesis = json.loads((public / "genesis.json").read_text(encoding="utf-8"))
    config = tomllib.loads((public / "config.toml").read_text(encoding="utf-8"))
    assert genesis["config"]["zeroBaseFee"] is True
    assert int(genesis["baseFeePerGas"], 16) == config["min-gas-price"] == 0
    assert int(genesis["gasLimit"], 16) == config["target-gas-limit"] >= 100_000_000
    assert genesis["config"]["qbft"]["blockperiodseconds"] == 1
    # Nothing newer than London is switched on: the contracts are compiled for Paris.
    assert not [name for name in genesis["config"] if name.endswith("Time")]


def test_static_nodes_are_the_validators_where_compose_puts_them(
    prepared: Path, compose: dict[str, Any]
) -> None:
    nodes = json.loads((prepared / "network" / "public" / "static-nodes.json").read_text())
    for number, (key, node) in enumerate(zip(keys_of(prepared), nodes, strict=True), start=1):
        service = compose["services"][f"validator-{number}"]
        address = service["networks"]["consortium"]["ipv4_address"]
        assert node == f"enode://{key.public_key.to_hex()[2:]}@{address}:30303"


def test_secrets_are_for_their_owner_only(prepared: Path) -> None:
    paths = [prepared / ".env", *(prepared / "network").glob("validator-*/key")]
    assert len(paths) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_second_preparation_replaces_nothing(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = keys_of(prepared)
    assert PREPARE["main"]([str(prepared)]) == 2
    assert "exists" in capsys.readouterr().err
    assert keys_of(prepared) == before


def test_every_file_that_compose_mounts_is_there_or_made(
    prepared: Path, compose: dict[str, Any]
) -> None:
    brought = ("./keys/", "./sessions/", "./market")
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./") and not source.startswith(brought):
                name = source.removeprefix("./")
                assert (BESU / name).exists() or (prepared / name).exists(), source
            elif not source.startswith("./"):
                assert source in compose["volumes"]


def test_each_party_has_a_validator_keys_sessions_and_a_database_of_its_own(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    parties = ["engine", *(f"operator-{number}" for number in range(1, 5))]
    databases = (BESU / "databases.sql").read_text(encoding="utf-8")
    for party in parties:
        service = services[party]
        assert service["profiles"] == ["parties"]
        assert service["environment"]["PEERCHARGE_NETWORK"].split("/")[2].split(":")[0] in services
        assert service["environment"]["PEERCHARGE_DATABASE"].endswith(party.replace("-", "_"))
        assert f"CREATE DATABASE {party.replace('-', '_')};" in databases
        assert f"./keys/{party}:/keys:ro" in service["volumes"]
        assert f"./sessions/{party}:/sessions:ro" in service["volumes"]
    assert [services[party]["command"][0] for party in parties] == ["run"] + ["operator"] * 4


def test_the_image_copies_what_is_in_the_checkout() -> None:
    words = (BESU / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [name for line in words if line.startswith("COPY") for name in line.split()[1:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
