// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMixnet} from "../interfaces/IMixnet.sol";
import {OperatorsParams, RewardedSetParams, RewardingParams} from "../interfaces/Types.sol";
import {EpochEventKind, IntervalEventKind, Layout, MixnetStorage} from "./MixnetStorage.sol";
import {Parameters} from "./Parameters.sol";
import {Queues} from "./Queues.sol";
import {Rewards} from "./Rewards.sol";

/// What governance asks for: checked, then applied `now_` or put in the queue (tokenomics 5.2). A library of its own, linked, for the
/// size; that the sender is governance the contract has checked.
library Governance {
    using Queues for Layout;

    function updateRewardingParams(RewardingParams memory changed, bool now_) external {
        Layout storage $ = MixnetStorage.get();
        Parameters.checkRewarding(changed);
        if (!Parameters.isBacked($, changed.rewardPool)) revert IMixnet.OutOfRange("rewardPool");
        if (now_) {
            Parameters.applyRewarding($, changed);
        } else {
            uint64 id = $.push(IntervalEventKind.RewardingParams, 0, 0, 0);
            $.rewardingParamsChanges[id] = changed;
        }
    }

    function updateActiveSetDistribution(RewardedSetParams memory set, bool now_) external {
        Layout storage $ = MixnetStorage.get();
        Parameters.checkSet(set);
        if (Rewards.activeSizeOf(set) > Rewards.sizeOf($.params.rewardedSet)) revert IMixnet.OutOfRange("rewardedSet");
        if (now_) {
            // Checked above.
            // slither-disable-next-line unused-return
            Parameters.applyActiveSet($, set);
        } else {
            uint64 id = $.push(EpochEventKind.UpdateActiveSet, 0, 0, address(0));
            $.activeSetChanges[id] = set;
        }
    }

    function updateIntervalConfig(uint32 epochsInInterval, uint32 epochLength, bool now_) external {
        Layout storage $ = MixnetStorage.get();
        Parameters.checkInterval(epochsInInterval, epochLength);
        if (now_) Parameters.applyInterval($, epochsInInterval, epochLength);
        // The event's number is for those that remember it.
        // slither-disable-next-line unused-return
        else $.push(IntervalEventKind.IntervalConfig, 0, epochsInInterval, epochLength);
    }

    function updateOperatorsParams(OperatorsParams memory params) external {
        Parameters.checkOperators(params);
        MixnetStorage.get().operators = params;
        emit IMixnet.ParamsChanged();
    }

    /// At the end of an interval.
    function closeInterval() external {
        Parameters.closeInterval(MixnetStorage.get());
    }
}
