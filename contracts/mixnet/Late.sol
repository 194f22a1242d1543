// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Interval} from "../interfaces/Types.sol";
import {Layout, Node} from "./MixnetStorage.sol";

/// What changes a stake once secrets are being revealed does not change what it weighs in the draw that ends the epoch: whoever knows the
/// seed would put stake behind the nodes that are lucky, take it from those that are not, or make a node look as if stake had come that
/// went again. It earns and binds as any other. What counts is the change that came of it, not what was asked for.
library Late {
    function isLate(Layout storage $) internal view returns (bool) {
        Interval storage i = $.interval;
        return block.timestamp >= i.currentEpochStart + i.epochLength - i.epochLength / 4;
    }

    function isLateEvent(Layout storage $, uint64 id) internal view returns (bool) {
        uint64 first = $.firstLateEvent;
        return first != 0 && id >= first && $.firstLateInEpoch == $.interval.totalElapsedEpochs;
    }

    /// Of an event that was just put in the queue. All behind it are late as well.
    function count(Layout storage $, uint64 id) internal {
        uint32 epochId = $.interval.totalElapsedEpochs;
        if (($.firstLateEvent != 0 && $.firstLateInEpoch == epochId) || !isLate($)) return;
        ($.firstLateEvent, $.firstLateInEpoch) = (id, epochId);
    }

    /// The stake was `before`, and is what it is now by something late.
    function note(Layout storage $, Node storage node, uint256 before) internal {
        uint32 epochId = $.interval.totalElapsedEpochs;
        int192 change = node.lateInEpoch == epochId ? node.lateChange : int192(0);
        // Stakes are two numbers of 128 bits.
        node.lateChange = change + int192(int256(stakeOf(node)) - int256(before));
        node.lateInEpoch = epochId;
    }

    function stakeOf(Node storage node) internal view returns (uint256) {
        return uint256(node.operator) + node.delegates;
    }

    /// What the draw at the end of this epoch goes by; together as large as the stake was before what is late.
    function weighed(Layout storage $, Node storage node) internal view returns (uint128 operator, uint128 delegates) {
        (operator, delegates) = (node.operator, node.delegates);
        if (node.lateInEpoch != $.interval.totalElapsedEpochs) return (operator, delegates);
        int256 stake = int256(stakeOf(node)) - node.lateChange;
        uint128 counted = stake > 0 ? uint128(uint256(stake)) : 0;
        if (counted < operator) return (counted, 0);
        delegates = counted - operator;
    }
}
