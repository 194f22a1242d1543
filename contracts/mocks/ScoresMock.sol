// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What the mixnet asks of IPerformance, answered as the test likes: any number of 18 digits.
contract ScoresMock {
    bool public settled = true;
    uint64 public everybody = 10 ** 18;
    mapping(uint32 nodeId => uint64) private scores;
    mapping(uint32 nodeId => bool) private isSet;

    function setSettled(bool value) external {
        settled = value;
    }

    /// Of those that have no score of their own.
    function setEverybody(uint64 score) external {
        everybody = score;
    }

    function setScore(uint32 nodeId, uint64 score) external {
        scores[nodeId] = score;
        isSet[nodeId] = true;
    }

    function isSettled(uint32) external view returns (bool) {
        return settled;
    }

    function scoresOf(uint32, uint32[] calldata nodeIds) external view returns (uint64[] memory found) {
        found = new uint64[](nodeIds.length);
        for (uint256 i = 0; i < nodeIds.length; i++) found[i] = isSet[nodeIds[i]] ? scores[nodeIds[i]] : everybody;
    }
}
