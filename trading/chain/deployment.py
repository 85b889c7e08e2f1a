"""How a consortium contract comes to be on a network, and how an existing one is found."""

from __future__ import annotations

from collections.abc import Sequence

from eth_typing import ChecksumAddress
from web3 import Web3

from trading.chain import artifacts
from trading.chain.artifacts import Artifact
from trading.chain.consortium import Consortium
from trading.chain.keys import Key
from trading.chain.networks import Network
from trading.chain.reach import reaching
from trading.chain.records import PriceBand
from trading.chain.sender import Call, transact
from trading.chain.token import Token
from trading.errors import OptionError, WrongLedgerError

_GAS_OF_DEPLOYMENT = 12_000_000


def deploy(
    network: Network,
    *,
    authority: Key,
    operators: Sequence[str],
    quorum: int,
    band: PriceBand,
    largest_spread_ueur_per_kwh: int,
    token: str | None = None,
) -> Consortium:
    """Deploy a consortium with its operators seated.

    Args:
        network: where.
        authority: governs it, and pays for gas where that has a price.
        operators: their addresses, in the order of their seats.
        quorum: how many of them must confirm a batch.
        band: the prices a trade may have.
        largest_spread_ueur_per_kwh: largest difference between a trade's two prices.
        token: address of the settlement token; None deploys a demonstration euro that `authority`
            can mint.

    Raises:
        LedgerRevertedError: an argument is refused, such as a quorum above the operators' number.
    """
    network.fund(authority.address)
    settled_in = token or _created(network, _creation(Token.artifact_name, (), authority))[0]
    founding = founding_call(
        authority=authority,
        operators=operators,
        quorum=quorum,
        band=band,
        largest_spread_ueur_per_kwh=largest_spread_ueur_per_kwh,
        token=settled_in,
    )
    address, block = _created(network, founding)
    return Consortium(network, address, first_block=block)


def founding_call(
    *,
    authority: Key,
    operators: Sequence[str],
    quorum: int,
    band: PriceBand,
    largest_spread_ueur_per_kwh: int,
    token: str,
) -> Call:
    """The transaction that deploys a consortium; arguments as for `deploy`."""
    arguments = (
        Web3.to_checksum_address(token),
        authority.address,
        [Web3.to_checksum_address(operator) for operator in operators],
        quorum,
        band.lowest_ueur_per_kwh,
        band.highest_ueur_per_kwh,
        largest_spread_ueur_per_kwh,
    )
    return _creation(Consortium.artifact_name, arguments, authority)


def attach(network: Network, address: str, *, first_block: int = 0) -> Consortium:
    """The consortium contract that is already at `address`.

    Args:
        network: where.
        address: the contract.
        first_block: the block of its deployment, so that its events need not be searched from 0.

    Raises:
        OptionError: not an address.
        WrongLedgerError: nothing there, another contract, or another version of it.
    """
    if not Web3.is_address(address):
        raise OptionError("address", address, "0x and 40 hexadecimal digits")
    place = Web3.to_checksum_address(address)
    with reaching(network.name):
        code = bytes(network.w3.eth.get_code(place))
    if not code:
        raise WrongLedgerError(
            f"there is no contract at {place} on {network.name}, chain {network.chain_id}; check "
            "the address, and that the node is one of the consortium's network."
        )
    if not artifacts.load(Consortium.artifact_name).is_at(code):
        raise WrongLedgerError(
            f"the contract at {place} on {network.name} is not the consortium contract of this "
            "version; check the address, or use the version of peercharge that deployed it."
        )
    return Consortium(network, place, first_block=first_block)


def _creation(name: str, arguments: Sequence[object], key: Key) -> Call:
    """The transaction that puts a contract on chain."""
    artifact: Artifact = artifacts.load(name)
    return Call(
        key=key,
        to=None,
        data=artifact.bytecode + artifact.interface.encode_constructor(arguments),
        gas=_GAS_OF_DEPLOYMENT,
        interface=artifact.interface,
    )


def _created(network: Network, call: Call) -> tuple[ChecksumAddress, int]:
    """Address and block of a new contract."""
    receipt = transact(network, call)
    return receipt["contractAddress"], int(receipt["blockNumber"])
