// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What the draw asks of announcements, set by a test.
contract AnnouncementsMock {
    mapping(uint32 nodeId => bytes32) public leafOf;
    mapping(uint32 nodeId => uint8) public capabilitiesOf;

    function set(uint32 first, bytes32[] calldata leaves, uint8[] calldata capabilities) external {
        for (uint32 i = 0; i < leaves.length; ++i) (leafOf[first + i], capabilitiesOf[first + i]) = (leaves[i], capabilities[i]);
    }

    function entriesOf(uint32[] calldata nodeIds) public view returns (bytes32[] memory leaves, uint8[] memory capabilities) {
        (leaves, capabilities) = (new bytes32[](nodeIds.length), new uint8[](nodeIds.length));
        for (uint256 i = 0; i < nodeIds.length; ++i) (leaves[i], capabilities[i]) = (leafOf[nodeIds[i]], capabilitiesOf[nodeIds[i]]);
    }

    function entriesForDraw(uint32[] calldata nodeIds) external view returns (bytes32[] memory, uint8[] memory) {
        return entriesOf(nodeIds);
    }
}
