"""Values that fit the contract's types, checked where they come from outside."""

from __future__ import annotations

from typing import Annotated

from eth_utils.address import (
    is_checksum_address,
    is_checksum_formatted_address,
    is_hex_address,
    to_checksum_address,
)
from pydantic import AfterValidator, Field


def checked_address(text: str) -> str:
    """An address with its checksum.

    Raises:
        ValueError: not an address, or in mixed case that shows a slip of the pen (EIP-55).
    """
    if not is_hex_address(text) or not text.startswith("0x"):
        raise ValueError("0x and 40 hexadecimal digits")
    if is_checksum_formatted_address(text) and not is_checksum_address(text):
        raise ValueError("an address with the right checksum; a letter of it is mistyped")
    return str(to_checksum_address(text))


HexAddress = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$"), AfterValidator(checked_address)]
Number = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
"""Of an account."""

LotNumber = Annotated[int, Field(strict=True, ge=0, lt=2**16)]
Seats = Annotated[int, Field(strict=True, ge=0, lt=2**8)]
Amount = Annotated[int, Field(strict=True, gt=0, lt=2**64)]
"""Micro-euro."""

Price = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
"""Micro-euro per kWh."""

Seconds = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
"""Unix seconds."""
