// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @dev A contract that owns accounts. It accepts one hash with one signature, or misbehaves.
contract Wallet is IERC1271 {
    enum Mood {
        Honest,
        Refusing,
        Reverting,
        Curt,
        Entering
    }

    Mood public mood;
    bytes32 private _hash;
    bytes32 private _signature;
    address private _target;
    bytes private _call;

    function accept(bytes32 hash, bytes calldata signature) external {
        _hash = hash;
        _signature = keccak256(signature);
    }

    function become(Mood mood_) external {
        mood = mood_;
    }

    function enter(address target, bytes calldata call_) external {
        mood = Mood.Entering;
        _target = target;
        _call = call_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4)
    {
        if (mood == Mood.Reverting) revert("no");
        if (mood == Mood.Curt) {
            assembly {
                mstore(0, 0x1626ba7e00000000000000000000000000000000000000000000000000000000)
                return(0, 4)
            }
        }
        if (mood == Mood.Entering) {
            (bool done,) = _target.staticcall(_call);
            if (!done) return 0xffffffff;
        }
        bool accepted =
            mood != Mood.Refusing && hash == _hash && keccak256(signature) == _signature;
        return accepted ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}
