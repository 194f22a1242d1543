// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What the mixnet asks of IPerformance, answered as the test likes: any number of 18 digits.
contract ScoresMock {
    bool public settled = true;
    uint64 public everybody = 10 ** 18;
    /// Four in a word, inverted, so that 0 is none; its cost is then near that of the real one.
    mapping(uint256 word => uint256) private words;

    function setSettled(bool value) external {
        settled = value;
    }

    /// Of those that have no score of their own.
    function setEverybody(uint64 score) external {
        everybody = score;
    }

    function setScore(uint32 nodeId, uint64 score) external {
        uint256 shift = 64 * (nodeId % 4);
        words[nodeId / 4] = (words[nodeId / 4] & ~(uint256(type(uint64).max) << shift)) | (uint256(~score) << shift);
    }

    function isSettled(uint32) external view returns (bool) {
        return settled;
    }

    function scoresOf(uint32, uint32[] calldata nodeIds) external view returns (uint64[] memory found) {
        found = new uint64[](nodeIds.length);
        uint64 others = everybody;
        for (uint256 i = 0; i < nodeIds.length; i++) {
            uint64 stored = uint64(words[nodeIds[i] / 4] >> (64 * (nodeIds[i] % 4)));
            found[i] = stored == 0 ? others : ~stored;
        }
    }
}
