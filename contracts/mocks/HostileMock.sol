// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// In the place of the scores or of the set: enters the mixnet again, by the call it was given, whenever it is asked something.
contract HostileMock {
    address private target;
    bytes private attack;
    uint32[] private nodeIds;

    /// The call that was to get nowhere came through.
    error Entered();

    function prepare(address target_, bytes calldata attack_, uint32[] calldata nodeIds_) external {
        target = target_;
        attack = attack_;
        nodeIds = nodeIds_;
    }

    function size() external returns (uint32 active, uint32 standby) {
        enter();
        return (uint32(nodeIds.length), 0);
    }

    function slice(uint32, uint32) external returns (uint32[] memory, bool[] memory standby) {
        enter();
        return (nodeIds, new bool[](nodeIds.length));
    }

    function isSettled(uint32) external returns (bool) {
        enter();
        return true;
    }

    function scoresOf(uint32, uint32[] calldata ids) external returns (uint64[] memory scores) {
        enter();
        scores = new uint64[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) scores[i] = 10 ** 18;
    }

    function enter() private {
        if (target == address(0)) return;
        (bool through,) = target.call(attack);
        if (through) revert Entered();
    }
}
