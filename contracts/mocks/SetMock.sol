// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMixnet} from "../interfaces/IMixnet.sol";

/// What the mixnet asks of IRewardedSet, with the set that the test wants. Eight nodes a word: id and role, so that its cost is near that
/// of the real one.
contract SetMock {
    uint32 private actives;
    uint32 private standbys;
    mapping(uint256 word => uint256) private words;

    /// `nodeIds` ascending.
    function setNodes(uint32[] calldata nodeIds, bool[] calldata standby) external {
        actives = 0;
        standbys = 0;
        uint256 word;
        for (uint256 i = 0; i < nodeIds.length; i++) {
            if (standby[i]) standbys += 1;
            else actives += 1;
            uint256 entry = nodeIds[i] | (standby[i] ? 1 << 31 : 0);
            word |= entry << (32 * (i % 8));
            if (i % 8 == 7 || i + 1 == nodeIds.length) {
                words[i / 8] = word;
                word = 0;
            }
        }
    }

    function advance(IMixnet mixnet) external {
        mixnet.advanceEpoch();
    }

    function size() external view returns (uint32 active, uint32 standby) {
        return (actives, standbys);
    }

    function slice(uint32 from, uint32 limit) external view returns (uint32[] memory nodeIds, bool[] memory standby) {
        uint32 end = actives + standbys;
        if (end - from < limit) limit = end - from;
        nodeIds = new uint32[](limit);
        standby = new bool[](limit);
        uint256 word;
        for (uint256 i = 0; i < limit; i++) {
            uint256 index = from + i;
            if (i == 0 || index % 8 == 0) word = words[index / 8];
            uint256 entry = (word >> (32 * (index % 8))) & 0xffffffff;
            nodeIds[i] = uint32(entry & 0x7fffffff);
            standby[i] = entry >> 31 == 1;
        }
    }
}
