"""Whatever a backend raises for a refusal, the same error comes out."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode as abi_encode
from eth_tester.exceptions import TransactionFailed
from eth_utils.crypto import keccak
from web3.exceptions import (
    ContractCustomError,
    ContractLogicError,
    ContractPanicError,
    Web3RPCError,
)

from trading import errors
from trading.chain.artifacts import load
from trading.chain.reverts import refusal

INTERFACE = load("EnergyConsortium").interface
BALANCE = keccak(text="TradeBuyerBalanceTooLow(uint256,uint32,uint64,uint64)")[:4] + abi_encode(
    ["uint256", "uint32", "uint64", "uint64"], [4, 17, 10, 25]
)
HEX = "0x" + BALANCE.hex()
PANIC = keccak(text="Panic(uint256)")[:4] + abi_encode(["uint256"], [0x11])
TEXT = keccak(text="Error(string)")[:4] + abi_encode(["string"], ["only on Sundays"])


def rpc(**error: object) -> Web3RPCError:
    return Web3RPCError("refused", rpc_response={"jsonrpc": "2.0", "id": 1, "error": error})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param(BALANCE, id="bare data"),
        pytest.param(TransactionFailed(repr(BALANCE)), id="eth-tester"),
        pytest.param(
            TransactionFailed(f"execution reverted: {BALANCE!r}"), id="eth-tester under web3"
        ),
        pytest.param(ContractCustomError(HEX, data=HEX), id="geth, anvil, Besu under web3"),
        pytest.param(ContractLogicError("execution reverted", data=HEX), id="web3 with data"),
        pytest.param(
            ContractLogicError("execution reverted", data={"data": HEX}), id="data in an object"
        ),
        pytest.param(
            ContractLogicError("execution reverted", data=f"Reverted {HEX}"), id="prefixed data"
        ),
        pytest.param(rpc(code=3, message="execution reverted", data=HEX), id="plain RPC error"),
        pytest.param(
            rpc(code=-32000, message="VM error", data={"result": HEX, "program": 3}),
            id="RPC error with an object",
        ),
    ],
)
def test_every_backend_gives_the_same_error(cause: Exception | bytes) -> None:
    error = refusal(cause, INTERFACE)
    assert isinstance(error, errors.BadTradeError)
    assert error.name == "TradeBuyerBalanceTooLow"
    assert error.arguments == {"index": 4, "buyer": 17, "free": 10, "needed": 25}
    assert error.trade_index == 4
    assert str(error) == (
        "trade 5: buyer 17 has 10 ueur free and the trade costs 25 ueur; deposit more or leave "
        "the trade out."
    )


@pytest.mark.parametrize(
    "cause",
    [
        PANIC,
        TransactionFailed(f"execution reverted: {PANIC!r}"),
        ContractPanicError("Panic error 0x11", data="0x" + PANIC.hex()),
    ],
)
def test_panic_is_a_fault_of_the_contract(cause: Exception | bytes) -> None:
    error = refusal(cause, INTERFACE)
    assert error is not None
    assert (error.name, error.arguments) == ("Panic", {"code": 0x11})
    assert "panic 0x11" in str(error)


@pytest.mark.parametrize(
    "cause",
    [
        TEXT,
        TransactionFailed("execution reverted: only on Sundays"),
        ContractLogicError("execution reverted: only on Sundays", data="0x" + TEXT.hex()),
        ContractLogicError("execution reverted: only on Sundays"),
        rpc(code=3, message="execution reverted: only on Sundays"),
    ],
)
def test_text_is_quoted(cause: Exception | bytes) -> None:
    error = refusal(cause, INTERFACE)
    assert isinstance(error, errors.WrongStateError)
    assert error.arguments == {"message": "only on Sundays"}


@pytest.mark.parametrize(
    "cause",
    [
        b"",
        b"\x01\x02\x03\x04",
        BALANCE[:-1],
        ContractLogicError("execution reverted"),
        rpc(code=3, message="execution reverted"),
        TransactionFailed("execution reverted: b''"),
    ],
)
def test_refusal_without_a_known_reason_says_so(cause: Exception | bytes) -> None:
    error = refusal(cause, INTERFACE)
    assert error is not None
    assert error.name in ("Unknown", "Error")
    if isinstance(cause, bytes):
        assert error.arguments == {"data": "0x" + cause.hex()}


@pytest.mark.parametrize(
    "cause",
    [
        rpc(code=-32601, message="the method does not exist"),
        rpc(code=-32000, message="nonce too low"),
        rpc(code=-32005, message="too many requests"),
    ],
)
def test_what_is_no_refusal_of_a_contract_is_left_to_others(cause: Web3RPCError) -> None:
    assert refusal(cause, INTERFACE) is None


def test_refusal_of_the_token_is_known_to_the_consortium() -> None:
    data = keccak(text="ERC20InsufficientBalance(address,uint256,uint256)")[:4] + abi_encode(
        ["address", "uint256", "uint256"], ["0x" + "11" * 20, 1, 2]
    )
    assert isinstance(refusal(data, INTERFACE), errors.BalanceError)
