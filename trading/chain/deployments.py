"""The deployments file: where a consortium is, so that nobody types an address or mistakes a chain.

One small JSON file a consortium. It holds no secret; every member keeps a copy, and each command
reads it. `open_deployment` compares all of it with the chain before anything is sent.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from trading.chain import artifacts
from trading.chain.consortium import Consortium
from trading.chain.deployment import attach
from trading.chain.fields import checked_address
from trading.chain.networks import Network
from trading.errors import ConfigError, OptionError, WrongLedgerError
from trading.files import create_file

VERSION: Final = 1


def _digits(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("64 hexadecimal digits")
    return text


def _hash(text: str) -> str:
    if not re.fullmatch("0x[0-9a-f]{64}", text):
        raise ValueError("0x and 64 hexadecimal digits")
    return text


Address = Annotated[str, AfterValidator(checked_address)]
Digest = Annotated[str, AfterValidator(_digits)]
Hash = Annotated[str, AfterValidator(_hash)]


class Deployment(BaseModel):
    """Where one consortium is, and what stands there.

    Attributes:
        version: of this file's form.
        name: what its members call it.
        chain_id: the chain's id.
        genesis: hash of the chain's first block, as a chain that was begun anew keeps its id.
        contract: address of the consortium contract.
        contract_digest: SHA-256 over the contract's sources.
        token: address of the settlement token.
        first_block: number of the block that holds the contract's deployment.
        deployed_at: time of that block.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = VERSION
    name: Annotated[str, Field(min_length=1, max_length=100)]
    chain_id: Annotated[int, Field(strict=True, ge=1)]
    genesis: Hash
    contract: Address
    contract_digest: Digest
    token: Address
    first_block: Annotated[int, Field(strict=True, ge=0)]
    deployed_at: AwareDatetime

    @classmethod
    def of(cls, consortium: Consortium, *, name: str) -> Deployment:
        """The deployment of a consortium that is open."""
        network = consortium.network
        time_s = network.block_time(consortium.first_block)
        return cls(
            name=name,
            chain_id=network.chain_id,
            genesis=str(network.block_hash(0)),
            contract=consortium.address,
            contract_digest=artifacts.load(Consortium.artifact_name).digest,
            token=consortium.token.address,
            first_block=consortium.first_block,
            deployed_at=datetime.fromtimestamp(time_s, UTC),
        )

    def to_json(self) -> str:
        """The file's text."""
        return self.model_dump_json(indent=2) + "\n"


def read_deployment(path: Path) -> Deployment:
    """Read a deployments file.

    Raises:
        ConfigError: there is none, or it cannot be used; every fault is listed.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), [f"expected a file that can be read ({error})"]) from None
    except ValueError:
        raise ConfigError(str(path), ["expected JSON, as `peercharge deploy` writes it"]) from None
    found = content.get("version") if isinstance(content, dict) else None
    if isinstance(found, int) and found > VERSION:
        raise ConfigError(
            str(path),
            [f"version={found}: expected {VERSION}; use the peercharge that wrote it, or a newer"],
        )
    try:
        return Deployment.model_validate(content)
    except ValidationError as error:
        raise ConfigError(str(path), [_fault(dict(one)) for one in error.errors()]) from None


def write_deployment(deployment: Deployment, path: Path) -> None:
    """Write a deployments file; one that already says the same is left.

    Raises:
        OptionError: the path holds something else, which is left as it is.
        OSError: the file cannot be written.
    """
    if path.is_file() and path.read_text(encoding="utf-8") == deployment.to_json():
        return
    create_file(path, deployment.to_json())


def open_deployment(network: Network, deployment: Deployment | Path) -> Consortium:
    """The consortium that a deployments file names, once all that it says holds on `network`.

    Raises:
        ConfigError: the file cannot be used.
        WrongLedgerError: another chain, one that was begun anew, another contract at the address,
            or one of another version.
    """
    if isinstance(deployment, Path):
        deployment = read_deployment(deployment)
    where = f"the deployment {deployment.name!r}"
    if network.chain_id != deployment.chain_id:
        raise WrongLedgerError(
            f"{network.name} is chain {network.chain_id}, {where} is on chain "
            f"{deployment.chain_id}; point the setting to a node of that chain."
        )
    genesis = network.block_hash(0)
    if genesis != deployment.genesis:
        raise WrongLedgerError(
            f"{network.name} is chain {network.chain_id}, but its first block is {genesis} and "
            f"{where} is on the chain that began with {deployment.genesis}: another chain of the "
            "same id, or one that was begun anew; point the setting to the right one, or deploy "
            "again."
        )
    ours = artifacts.load(Consortium.artifact_name).digest
    if ours != deployment.contract_digest:
        raise WrongLedgerError(
            f"{where} is of contract {deployment.contract_digest[:12]}, this version of peercharge "
            f"speaks to contract {ours[:12]}; use the version that deployed it."
        )
    consortium = attach(network, deployment.contract, first_block=deployment.first_block)
    if consortium.token.address != deployment.token:
        raise WrongLedgerError(
            f"the contract at {deployment.contract} settles in {consortium.token.address}, {where} "
            f"says {deployment.token}; take the file from another member."
        )
    return consortium


def _fault(error: dict[str, Any]) -> OptionError | str:
    """One fault of pydantic's as one of ours: key, value, what was expected."""
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{key} is missing"
    if error["type"] == "extra_forbidden":
        return f"{key} is not a key of this file"
    cause = error.get("ctx", {}).get("error")
    if cause is None:
        return f"{key}={error['input']!r}: {error['msg'].lower()}"
    return OptionError(key, error["input"], str(cause))
