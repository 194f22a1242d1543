// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EpochState, Interval, NodeStake, RewardedSetParams, RewardingParams} from "../interfaces/Types.sol";

/// What scores and the draw ask of the mixnet, set by a test.
contract MixnetStakesMock {
    Interval private _interval;
    EpochState private _state;
    RewardingParams private _params;
    uint32 public lastNodeId;
    mapping(uint256 word => uint256) public bondedWord;
    mapping(uint32 nodeId => NodeStake) private _stakes;
    address public rewardedSet;
    uint256 public advances;

    constructor(uint32 epochId, uint32 length, uint64 start) {
        _interval.totalElapsedEpochs = epochId;
        _interval.epochLength = length;
        _interval.currentEpochStart = start;
    }

    function set(uint32 first, NodeStake[] calldata stakes) external {
        for (uint32 i = 0; i < stakes.length; ++i) {
            uint32 id = first + i;
            _stakes[id] = stakes[i];
            if (stakes[i].bondedAt == 0) bondedWord[id / 256] &= ~(1 << (id % 256));
            else bondedWord[id / 256] |= 1 << (id % 256);
            if (id > lastNodeId) lastNodeId = id;
        }
    }

    function setLastNodeId(uint32 id) external {
        lastNodeId = id;
    }

    function setParams(uint128 saturationPoint, RewardedSetParams calldata sizes) external {
        _params.stakeSaturationPoint = saturationPoint;
        _params.rewardedSet = sizes;
    }

    function setState(EpochState state) external {
        _state = state;
    }

    function setRewardedSet(address who) external {
        rewardedSet = who;
    }

    function setLength(uint32 length) external {
        _interval.epochLength = length;
    }

    /// For tests without a draw.
    function advance() external {
        _advance();
    }

    function advanceEpoch() external {
        require(msg.sender == rewardedSet, "not the rewarded set");
        ++advances;
        _advance();
    }

    function _advance() private {
        _interval.currentEpochStart += _interval.epochLength;
        ++_interval.totalElapsedEpochs;
        _state = EpochState.InProgress;
    }

    function interval() external view returns (Interval memory) {
        return _interval;
    }

    function isEpochOver() external view returns (bool) {
        return _interval.currentEpochStart + _interval.epochLength <= block.timestamp;
    }

    function epochState() external view returns (EpochState, uint32, uint32) {
        return (_state, 0, 0);
    }

    function rewardingParams() external view returns (RewardingParams memory) {
        return _params;
    }

    function stakesOf(uint32[] calldata nodeIds) external view returns (NodeStake[] memory stakes) {
        stakes = new NodeStake[](nodeIds.length);
        for (uint256 i = 0; i < nodeIds.length; ++i) stakes[i] = _stakes[nodeIds[i]];
    }
}
