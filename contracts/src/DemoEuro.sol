// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title DemoEuro
/// @notice A demonstration token for local networks. It has no backing and no value; a consortium
/// puts its own e-money token in its place.
contract DemoEuro is ERC20 {
    /// @notice Who deployed the token and alone may mint it.
    address public immutable minter;

    /// @notice Only the deployer may mint.
    error MinterOnly(address caller, address minter);

    constructor() ERC20("Demonstration Euro (no value)", "demoEUR") {
        minter = msg.sender;
    }

    /// @notice Creates tokens, in micro-euro. Deployer only. Emits `Transfer`.
    function mint(address to, uint256 amount) external {
        if (msg.sender != minter) revert MinterOnly(msg.sender, minter);
        _mint(to, amount);
    }

    /// @notice One token is a million micro-euro.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
