// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// NYM. All of it exists from the first block: nobody mints, nobody burns, and no code of the holder or the receiver runs in a transfer.
contract NymToken is ERC20Permit {
    /// One billion NYM, in unym.
    uint256 public constant SUPPLY = 10 ** 15;

    constructor(address treasury) ERC20("NYM", "NYM") ERC20Permit("NYM") {
        _mint(treasury, SUPPLY);
    }

    /// Six, so that an amount of the token is the same number of unym.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
