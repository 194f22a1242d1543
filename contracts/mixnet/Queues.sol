// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMixnet} from "../interfaces/IMixnet.sol";
import {Late} from "./Late.sol";
import {EpochEvent, EpochEventKind, IntervalEvent, IntervalEventKind, Layout, Queue} from "./MixnetStorage.sol";

/// What was asked for and waits, in order, for the end of the epoch or of the interval. Ids count from 1.
library Queues {
    function push(Layout storage $, EpochEventKind kind, uint32 nodeId, uint64 amount, address owner) internal returns (uint64 id) {
        if (amount > type(uint56).max) revert IMixnet.OutOfRange("amount");
        id = ++$.epochQueue.last;
        $.epochEvents[id] = EpochEvent(kind, nodeId, uint56(amount), owner);
        Late.count($, id);
    }

    function push(Layout storage $, IntervalEventKind kind, uint32 nodeId, uint64 first, uint64 second) internal returns (uint64 id) {
        id = ++$.intervalQueue.last;
        $.intervalEvents[id] = IntervalEvent(kind, nodeId, first, second);
    }

    function pending(Queue storage queue) internal view returns (uint64) {
        return queue.last - queue.lastProcessed;
    }
}
