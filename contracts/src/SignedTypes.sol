// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// What operators and owners sign, as EIP-712 names it. The same strings stand in `eip712.json`,
// from which Python signs; a test recomputes each constant from there.

string constant DOMAIN_NAME = "peercharge EnergyConsortium";
string constant DOMAIN_VERSION = "1";

bytes32 constant CONFIRMATION_TYPEHASH = keccak256("Confirmation(bytes32 batchId,uint8 seat)");

bytes32 constant MANDATE_TYPEHASH = keccak256(
    "Mandate(uint32 maxBuyPrice,uint32 minSellPrice,uint32 validUntil,address aggregator,bool openToBuyers)"
);

bytes32 constant ENROLLMENT_TYPEHASH = keccak256(
    "Enrollment(address owner,bytes32 tag,Mandate mandate,uint256 nonce,uint40 deadline)Mandate(uint32 maxBuyPrice,uint32 minSellPrice,uint32 validUntil,address aggregator,bool openToBuyers)"
);

bytes32 constant MANDATE_CHANGE_TYPEHASH = keccak256(
    "MandateChange(uint32 account,Mandate mandate,uint256 nonce,uint40 deadline)Mandate(uint32 maxBuyPrice,uint32 minSellPrice,uint32 validUntil,address aggregator,bool openToBuyers)"
);

bytes32 constant MANDATE_REVOCATION_TYPEHASH =
    keccak256("MandateRevocation(uint32 account,uint256 nonce,uint40 deadline)");

bytes32 constant WITHDRAWAL_TYPEHASH =
    keccak256("Withdrawal(uint32 account,uint64 amount,address to,uint256 nonce,uint40 deadline)");
