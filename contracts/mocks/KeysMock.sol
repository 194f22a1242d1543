// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Keys} from "../draw/Keys.sol";
import {Medians} from "../draw/Medians.sol";

/// The libraries of the draw, to be called from a test.
contract KeysMock {
    function negativeLog2(uint256 u) external pure returns (uint256) {
        return Keys.negativeLog2(u);
    }

    function keyOf(bytes32 lot, uint256 weight, uint256 saturation, uint32 nodeId) external pure returns (uint256) {
        return Keys.keyOf(lot, weight, saturation, nodeId);
    }

    function weightOf(uint256 stake, uint256 saturationPoint, uint256 performance) external pure returns (uint256, uint256) {
        return Keys.weightOf(stake, saturationPoint, performance);
    }

    function isWellFormed(uint256 word) external pure returns (bool) {
        return Medians.isWellFormed(word);
    }

    function medians(uint256[] memory words, uint256[] memory stakes, uint256 quorum)
        external pure returns (uint256 word, uint256[] memory sums, uint256[] memory counts)
    {
        Medians.Distances memory distances = Medians.Distances(new uint256[](words.length), new uint256[](words.length));
        word = Medians.ofWord(words, stakes, quorum, new uint256[](Medians.HIGHEST + 1), distances);
        return (word, distances.sums, distances.counts);
    }
}
