// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Interval} from "../interfaces/Types.sol";
import {Layout, Node} from "./MixnetStorage.sol";

/// What changes a stake once secrets are being revealed does not change what it weighs in the draw that ends the epoch: whoever knows the
/// seed would put stake behind the nodes that are lucky, take it from those that are not, or make a node look as if stake had come that
/// went again. It earns and binds as any other. What counts is the change that came of it, not what was asked for.
///
/// Late is told by time, not by epoch: after a standstill epochs are caught up in which nobody could reveal, whose seeds are known
/// from the first of them on. What changes then is late for each of them.
library Late {
    function revealFrom(Layout storage $) internal view returns (uint256) {
        Interval storage i = $.interval;
        return uint256(i.currentEpochStart) + i.epochLength - i.epochLength / 4;
    }

    function isLate(Layout storage $) internal view returns (bool) {
        return block.timestamp >= revealFrom($);
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
        if (stakeOf(node) == before) return;
        int256 change = node.lateAt >= revealFrom($) ? node.lateChange : int256(0);
        // Stakes are two numbers of 128 bits.
        node.lateChange = change + int256(stakeOf(node)) - int256(before);
        node.lateAt = uint32(block.timestamp);
    }

    function stakeOf(Node storage node) internal view returns (uint256) {
        return uint256(node.operator) + node.delegates;
    }

    /// What the draw at the end of this epoch goes by; together as large as the stake was before what is late.
    function weighed(Node storage node, uint256 revealsBegan) internal view returns (uint128 operator, uint128 delegates) {
        (operator, delegates) = (node.operator, node.delegates);
        if (node.lateAt < revealsBegan) return (operator, delegates);
        int256 stake = int256(stakeOf(node)) - node.lateChange;
        uint128 counted = stake > 0 ? uint128(uint256(stake)) : 0;
        if (counted < operator) return (counted, 0);
        delegates = counted - operator;
    }
}
