// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What the draw asks of scores, set by a test.
contract SettledScoresMock {
    bytes32 public seed;
    uint64 public revealFrom;
    mapping(uint32 nodeId => uint64) private _scores;

    function set(bytes32 seed_, uint64 revealFrom_) external {
        (seed, revealFrom) = (seed_, revealFrom_);
    }

    function setScores(uint32 first, uint64[] calldata scores) external {
        for (uint32 i = 0; i < scores.length; ++i) _scores[first + i] = scores[i];
    }

    function seedOf(uint32) external view returns (bytes32) {
        return seed;
    }

    function scoresOf(uint32, uint32[] calldata nodeIds) external view returns (uint64[] memory scores) {
        scores = new uint64[](nodeIds.length);
        for (uint256 i = 0; i < nodeIds.length; ++i) scores[i] = _scores[nodeIds[i]];
    }
}
