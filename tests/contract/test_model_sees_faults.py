"""Faults put into the contract on purpose: the comparison with the model notices each of them.

`contracts/tools/mutate.py` changes every operator and statement and runs forge. Here are some
faults that someone might really make, and the judge is the random comparison alone.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from tests.contract.founding import found
from tests.contract.steps import WEIGHTED, take
from tests.contract.world import GENESIS_TIME
from tests.tools import ROOT, need_tool
from trading.chain import artifacts, open_network

CONTRACTS = ROOT / "contracts"
CONSORTIUM = "EnergyConsortium.sol"

LIVES = 20
STEPS = 100
"""The most that a fault may take to be noticed; most take 150 steps in all, the slowest 940."""

FAULTS: dict[str, tuple[str, str, str]] = {
    "votes of former operators count": (
        CONSORTIUM,
        "_count(entry.confirmations & seats)",
        "_count(entry.confirmations)",
    ),
    "rejections of former operators count": (
        CONSORTIUM,
        "_count(seats & ~entry.rejections)",
        "uint256(_settings.operatorCount) - _count(entry.rejections)",
    ),
    "the buyer's cost is rounded up": (
        "Trade.sol",
        "trade.buyerPrice() / WH_PER_KWH",
        "trade.buyerPrice() / WH_PER_KWH + 1",
    ),
    "a refund gives nothing back": (
        CONSORTIUM,
        "_accounts[buyer].unlock(owed);\n        total",
        "_accounts[buyer].payLocked(owed);\n        total",
    ),
    "a seat is given again a second too early": (
        CONSORTIUM,
        "place.vacatedAt + MAX_LIFETIME + 1",
        "place.vacatedAt + MAX_LIFETIME",
    ),
    "a key gets back the seat it had": (
        CONSORTIUM,
        "place.operator != address(0) || (key.held >> seat) & 1 != 0",
        "place.operator != address(0)",
    ),
    "the sequence is not kept": (CONSORTIUM, ".withSequence(trade.sequence())", ""),
    "a batch expires in its last second": (
        CONSORTIUM,
        "block.timestamp > entry.deadline",
        "block.timestamp >= entry.deadline",
    ),
    "the spread goes nowhere": (
        CONSORTIUM,
        "_accounts[beneficiary].credit(run.open)",
        "_accounts[beneficiary].credit(0)",
    ),
    "a removed lot loses its spread": (
        CONSORTIUM,
        "_lots[lot].admitted = false;",
        "delete _lots[lot];",
    ),
    "a signed mandate outlives a revocation": (
        CONSORTIUM,
        "_useNonce(msg.sender);\n        _revokeMandate",
        "_revokeMandate",
    ),
    "a signer may come twice in a bundle": (
        CONSORTIUM,
        "if (signer <= previous)",
        "if (signer < previous)",
    ),
    "a seat that rejected confirms in a bundle": (
        CONSORTIUM,
        "uint256 voted = entry.confirmations | entry.rejections;",
        "uint256 voted = entry.confirmations;",
    ),
    "the pause traps money": (
        CONSORTIUM,
        "nonReentrant\n        onlyOwnerOf(account_)",
        "nonReentrant\n        whenNotPaused\n        onlyOwnerOf(account_)",
    ),
    "a dismissed aggregator goes on": (
        CONSORTIUM,
        "submitter.admitted ?",
        "submitter.number != 0 ?",
    ),
    "sellers open to buyers are open to any engine": (
        CONSORTIUM,
        "!(word.openToBuyers() && _identities[trade.buyer()].owner == msg.sender)",
        "!word.openToBuyers()",
    ),
    "a withdrawal can be signed for after its deadline": (
        CONSORTIUM,
        "if (block.timestamp > deadline) {",
        "if (block.timestamp > uint256(deadline) + 1) {",
    ),
    "direct withdrawals leave the sum of deposits": (
        CONSORTIUM,
        "trackedDeposits -= amount;",
        "",
    ),
}
"""Fault to source file, what stands there, and what is put in its place."""

pytestmark = [pytest.mark.full, pytest.mark.node]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the contracts, whose artifacts `trading.chain` finds in place of the real ones."""
    need_tool("node")
    for name in ("src", "tools", "artifacts"):
        shutil.copytree(CONTRACTS / name, tmp_path / name)
    for name in ("foundry.toml", "eip712.json", "build.py"):
        shutil.copy(CONTRACTS / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(CONTRACTS / "node_modules")
    monkeypatch.setattr(artifacts, "_CHECKOUT", tmp_path / "artifacts")
    return tmp_path


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_noticed(folder: Path, fault: str) -> None:
    name, found_text, put_text = FAULTS[fault]
    source = folder / "src" / name
    text = source.read_text(encoding="utf-8")
    assert text.count(found_text) == 1, "the contract has changed: adapt the fault"
    source.write_text(text.replace(found_text, put_text), encoding="utf-8")
    build = _build_of(folder)
    compiled = build.compile_contracts()["EnergyConsortium"]
    (folder / "artifacts" / "EnergyConsortium.json").write_text(compiled, encoding="utf-8")
    artifacts.load.cache_clear()
    try:
        with pytest.raises(AssertionError):
            live_until_noticed()
    finally:
        artifacts.load.cache_clear()


def live_until_noticed() -> None:
    """Random lives from fixed seeds, whose steps vary more than those hypothesis comes back to."""
    for seed in range(LIVES):
        with open_network("embedded", genesis_time=GENESIS_TIME) as network:
            twin, chance = found(network), Random(seed)
            for _ in range(STEPS):
                take(twin, chance.choice(WEIGHTED), chance)
            twin.compare(after=f"{STEPS} steps from seed {seed}")


def _build_of(folder: Path) -> ModuleType:
    """`build.py` of the copy, which finds everything beside itself."""
    spec = importlib.util.spec_from_file_location("faulty_build", folder / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # A fault may leave a variable unused, of which the compiler warns.
    module._own_warnings = lambda _found: []
    module.CONTRACTS = {"EnergyConsortium": module.CONTRACTS["EnergyConsortium"]}
    return module
