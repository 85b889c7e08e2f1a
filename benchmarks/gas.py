"""What trades cost on chain: gas per trade, and which kinds of opcodes it goes to.

    python benchmarks/gas.py              print the table, write benchmarks/results/gas.json
    python benchmarks/gas.py --opcodes    also trace 100 trades on anvil, by class of opcode

The scenario: hard fork Paris, whole transactions (base and call data included) from submission to
settled, the event with the packed trades, 4 operators, quorum 3, max(1, N/5) buyers who have traded
before and as many other sellers, all checks on. forge runs it, in `contracts/test/Gas.t.sol`.

- aggregated: operators' signatures come with the submission; submit and settle, two transactions.
- separate: the same signatures in a transaction of their own; three transactions.
- direct: each operator sends its confirmation; five transactions.
- distinct: as aggregated, and every trade has a buyer and a seller of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
RESULTS = ROOT / "benchmarks" / "results" / "gas.json"

#: Gas per trade that issue 3 allows, by batch size, for aggregated signatures.
BARS = {"1": 150_000, "10": 22_000, "100": 9_500, "500": 8_500}

#: Rows that are written to the results; the others are printed only.
RECORDED = ("aggregated", "direct", "distinct")

_LINE = re.compile(r"^\s*gas (\w+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


class BenchmarkError(Exception):
    """The benchmark cannot run here; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Gas of one batch."""

    way: str
    trades: int
    submit: int
    confirm: int
    settle: int
    per_trade: int


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Gas per trade, from submission to settled.")
    parser.add_argument("--opcodes", action="store_true", help="trace 100 trades on anvil too")
    parser.add_argument(
        "--no-write", action="store_true", help="print only, leave the results as they are"
    )
    arguments = parser.parse_args(argv)
    try:
        rows = measure()
        print(table(rows))
        if not arguments.no_write:
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(recorded(rows), indent=2) + "\n", encoding="utf-8")
        if arguments.opcodes:
            print()
            print(opcode_table(100))
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    above = [
        row
        for row in rows
        if row.way == "aggregated" and row.per_trade > BARS.get(str(row.trades), row.per_trade)
    ]
    for row in above:
        print(f"above the bar of {BARS[str(row.trades)]:,}: {row}", file=sys.stderr)
    return 1 if above else 0


def measure() -> list[Row]:
    """Run the scenario in forge; return its rows sorted by way and size.

    Raises:
        BenchmarkError: forge is missing or its tests fail.
    """
    environment = os.environ | {
        "FOUNDRY_SOLC": str(CONTRACTS / "tools" / "solc.js"),
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_PROFILE": "default",
    }
    done = subprocess.run(
        [str(_tool("forge")), "test", "--match-contract", "GasTest", "-vv"],
        cwd=CONTRACTS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    found = [
        Row(
            way=match[1],
            trades=int(match[2]),
            submit=int(match[3]),
            confirm=int(match[4]),
            settle=int(match[5]),
            per_trade=int(match[6]),
        )
        for match in _LINE.finditer(done.stdout)
    ]
    if done.returncode != 0 or not found:
        raise BenchmarkError(f"forge's gas tests fail:\n{done.stdout[-3000:]}{done.stderr}")
    return sorted(found, key=lambda row: (row.way, row.trades))


def recorded(rows: list[Row]) -> dict[str, dict[str, int]]:
    """Gas per trade by way and size, as it is committed."""
    return {
        way: {str(row.trades): row.per_trade for row in rows if row.way == way} for way in RECORDED
    }


def table(rows: list[Row]) -> str:
    """The rows as text."""
    lines = [f"{'way':<12}{'N':>5}{'submit':>12}{'confirm':>12}{'settle':>12}{'per trade':>12}"]
    lines += [
        f"{row.way:<12}{row.trades:>5}{row.submit:>12,}{row.confirm:>12,}{row.settle:>12,}"
        f"{row.per_trade:>12,}"
        for row in rows
    ]
    return "\n".join(lines)


# ------------------------------------------------------------------------------------- opcodes

_MONEY = 50_000_000
_QUORUM = 3
_OPERATORS = 4
_LOT = 7
_BASE = 21_000
_COLD_SLOAD, _WARM_SLOAD = 2_100, 100
#: The only contract that is called: 3,000 for its work, 100 for the call.
_ECRECOVER = 3_100
_ARITHMETIC = frozenset(
    {"ADD", "MUL", "SUB", "DIV", "SDIV", "MOD", "SMOD", "ADDMOD", "MULMOD", "EXP"}
    | {"LT", "GT", "SLT", "SGT", "EQ", "ISZERO"}
    | {"AND", "OR", "XOR", "NOT", "BYTE", "SHL", "SHR", "SAR"}
)


def opcode_table(size: int) -> str:
    """Trace one batch, submitted with signatures and settled; return gas a trade by class."""
    counts, _ = _trace(size)
    total = sum(counts.values())
    lines = [f"{f'gas a trade, N={size}, aggregated':<42}{'gas':>8}{'share':>8}"]
    lines += [
        f"{name:<42}{gas / size:>8,.0f}{gas / total:>8.1%}" for name, gas in counts.most_common()
    ]
    lines.append(f"{'all':<42}{total / size:>8,.0f}{1:>8.1%}")
    return "\n".join(lines)


def opcodes_per_trade(size: int) -> int:
    """How many opcodes a trade takes from submission to settled, in a batch of this size.

    Raises:
        BenchmarkError: anvil is missing or refuses.
    """
    _, opcodes = _trace(size)
    return round(opcodes / size)


def _trace(size: int) -> tuple[Counter[str], int]:
    """Gas by class of opcode, and how many opcodes there were."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from web3 import HTTPProvider, Web3

    artifacts = {
        name: json.loads((CONTRACTS / "artifacts" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("EnergyConsortium", "DemoEuro")
    }
    port = _free_port()
    node = subprocess.Popen(
        [str(_tool("anvil")), "--hardfork", "paris", "--port", str(port), "--steps-tracing",
         "--gas-limit", "100000000", "--silent"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        web3 = Web3(HTTPProvider(f"http://127.0.0.1:{port}", request_kwargs={"timeout": 120}))
        for _ in range(100):
            if web3.is_connected():
                break
            time.sleep(0.1)
        sender = web3.eth.accounts[0]
        web3.eth.default_account = sender

        def deploy(name: str, *values: Any) -> Any:
            factory = web3.eth.contract(
                abi=artifacts[name]["abi"], bytecode=artifacts[name]["bytecode"]
            )
            receipt = web3.eth.wait_for_transaction_receipt(factory.constructor(*values).transact())
            return web3.eth.contract(address=receipt["contractAddress"], abi=artifacts[name]["abi"])

        keys = [Account.from_key(number.to_bytes(32, "big")) for number in range(1, 1 + _OPERATORS)]
        euro = deploy("DemoEuro")
        consortium = deploy(
            "EnergyConsortium", euro.address, sender, [key.address for key in keys], _QUORUM,
            10_000, 1_000_000, 100_000,
        )  # fmt: skip
        calls = consortium.functions
        parties = max(1, size // 5)
        calls.register(bytes(32)).transact()
        calls.setLot(_LOT, 1).transact()
        calls.setAggregator(sender, True).transact()
        accounts = range(2, 2 + 2 * parties)
        euro.functions.mint(sender, _MONEY * 2 * parties).transact()
        euro.functions.approve(consortium.address, _MONEY * 2 * parties).transact()
        now = web3.eth.get_block("latest")["timestamp"]
        mandate = (1_000_000, 10_000, now + 86_400 * 30, sender, True)
        for account in accounts:
            calls.register(bytes(32)).transact()
            calls.setMandate(account, mandate).transact()
            calls.deposit(account, _MONEY).transact()
        buyers, sellers = accounts[:parties], accounts[parties:]
        types = artifacts["EnergyConsortium"]["eip712"]

        def bundle(batch_id: bytes) -> list[tuple[int, bytes, bytes]]:
            signatures = []
            for seat, key in sorted(enumerate(keys[:_QUORUM]), key=lambda x: int(x[1].address, 16)):
                message = encode_typed_data(
                    {
                        **types["domain"],
                        "chainId": web3.eth.chain_id,
                        "verifyingContract": consortium.address,
                    },
                    {"Confirmation": types["types"]["Confirmation"]},
                    {"batchId": batch_id, "seat": seat},
                )
                signed = key.sign_message(message)
                vs = signed.s | ((signed.v - 27) << 255)
                signatures.append((seat, signed.r.to_bytes(32, "big"), vs.to_bytes(32, "big")))
            return signatures

        def batch(first: int) -> list[Any]:
            words = []
            for i in range(size):
                who = i * parties // size
                word = 0
                for value, bits in (
                    (buyers[who], 32), (sellers[(who + i) % parties], 32), (1_000 + i, 32),
                    (250_000, 32), (240_000, 32), (first + i + 1, 32), (28_000_000, 32),
                    (_LOT, 16), (0, 16),
                ):  # fmt: skip
                    word = (word << bits) | value
                words.append(word)
            deadline = web3.eth.get_block("latest")["timestamp"] + 3_600
            batch_id = calls.batchIdOf(sender, deadline, words).call()
            return [
                calls.submitWithSignatures(words, deadline, bundle(batch_id)).transact(),
                calls.settle(sender, deadline, words).transact(),
            ]

        batch(0)
        counts: Counter[str] = Counter()
        opcodes = 0
        for transaction in batch(size):
            receipt = web3.eth.wait_for_transaction_receipt(transaction)
            if receipt["status"] != 1:
                raise BenchmarkError("a traced transaction failed")
            classes, steps = _classify(web3, transaction, receipt["gasUsed"])
            counts += classes
            opcodes += steps
        return counts, opcodes
    finally:
        node.terminate()
        node.wait()


def _classify(web3: Any, transaction: Any, used: int) -> tuple[Counter[str], int]:
    call_data = web3.eth.get_transaction(transaction)["input"]
    counts = Counter(
        {
            "transaction base": _BASE,
            "call data": sum(16 if byte else 4 for byte in call_data),
        }
    )
    answer = web3.provider.make_request(
        "debug_traceTransaction",
        [transaction.to_0x_hex(), {"disableStorage": True, "disableMemory": True}],
    )
    for step in answer["result"]["structLogs"]:
        # A call's cost in a trace contains the gas it hands on.
        cost = _ECRECOVER if step["op"] == "STATICCALL" else step["gasCost"]
        counts[_class_of(step["op"], cost)] += cost
    if sum(counts.values()) != used:
        raise BenchmarkError(f"the classes add up to {sum(counts.values())}, not to {used}")
    return counts, len(answer["result"]["structLogs"])


def _class_of(opcode: str, cost: int) -> str:
    if opcode == "SLOAD":
        return "SLOAD, first of a slot" if cost == _COLD_SLOAD else "SLOAD, again"
    if opcode == "SSTORE":
        return "SSTORE, first of a slot" if cost > _WARM_SLOAD else "SSTORE, again"
    if opcode.startswith("LOG"):
        return "LOG"
    if opcode in ("KECCAK256", "SHA3"):
        return "KECCAK256"
    if opcode == "STATICCALL":
        return "ecrecover"
    if opcode in _ARITHMETIC:
        return "arithmetic and comparison"
    if opcode.startswith(("PUSH", "DUP", "SWAP")) or opcode == "POP":
        return "stack"
    if opcode in ("JUMP", "JUMPI", "JUMPDEST"):
        return "jumps"
    if opcode in ("CALLDATALOAD", "CALLDATACOPY", "MLOAD", "MSTORE", "MSTORE8"):
        return "call data and memory access"
    return "other"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _tool(name: str) -> Path:
    """The tool as `npm ci` puts it into `contracts/node_modules`, or on PATH."""
    packed = sorted(CONTRACTS.glob(f"node_modules/@foundry-rs/{name}-*/bin/{name}*"))
    found = packed[0] if packed else shutil.which(name)
    if not found:
        raise BenchmarkError(f"{name} is missing: run `npm ci` in contracts/ (needs Node.js)")
    return Path(found)


if __name__ == "__main__":
    sys.exit(main())
