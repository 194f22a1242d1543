// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// The governance of every contract: parameters change only behind its delay, for all to see. It has no admin but itself, so who
/// deployed it keeps nothing but what it named itself for.
contract Timelock is TimelockController {
    /// Seconds. Governance may make the delay longer, not shorter than what everybody joined with.
    uint256 private immutable _shortest;

    constructor(uint256 minDelay, address[] memory proposers, address[] memory executors)
        TimelockController(minDelay, proposers, executors, address(0))
    {
        _shortest = minDelay;
    }

    function getMinDelay() public view override returns (uint256) {
        return Math.max(super.getMinDelay(), _shortest);
    }
}
