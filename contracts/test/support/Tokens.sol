// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @dev A token anyone may mint, with the decimals of a micro-euro.
contract OpenToken is ERC20 {
    constructor() ERC20("Open", "OPEN") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public pure virtual override returns (uint8) {
        return 6;
    }
}

/// @dev Keeps a hundredth of each transfer.
contract FeeToken is OpenToken {
    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0)) {
            super._update(from, to, value);
            return;
        }
        uint256 fee = value / 100;
        super._update(from, address(this), fee);
        super._update(from, to, value - fee);
    }
}

/// @dev Delivers more than was asked, from a treasury of its own.
contract GenerousToken is OpenToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0)) super._update(address(0), to, 1);
    }
}

/// @dev Takes tokens from the recipient of a transfer, so that its balance falls.
contract ThievingToken is OpenToken {
    function transferFrom(address, address to, uint256) public override returns (bool) {
        _burn(to, 1);
        return true;
    }
}

/// @dev Says no instead of reverting, and moves nothing.
contract FalseToken is OpenToken {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @dev Moves the tokens and returns nothing, as some old tokens do.
contract SilentToken {
    mapping(address holder => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }

    function decimals() external pure returns (uint8) {
        return 6;
    }
}

/// @dev Has the decimals of ether.
contract EtherlikeToken is OpenToken {
    function decimals() public pure override returns (uint8) {
        return 18;
    }
}

/// @dev Makes one prepared call in the middle of a transfer and keeps what came back.
contract ReentrantToken is OpenToken {
    address private _target;
    bytes private _call;
    bool public entered;
    bool public succeeded;
    bytes public answer;

    function prepare(address target, bytes calldata call) external {
        _target = target;
        _call = call;
        entered = false;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (_target == address(0) || entered) return;
        entered = true;
        (succeeded, answer) = _target.call(_call);
    }
}
