// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMixnet} from "../interfaces/IMixnet.sol";
import {CostParams, Interval, OperatorsParams, RewardedSetParams, RewardingParams} from "../interfaces/Types.sol";
import {Decimals} from "./Decimals.sol";
import {Layout} from "./MixnetStorage.sol";
import {Rewards} from "./Rewards.sol";

/// What governance may set, within which bounds, and what follows from it (tokenomics 5.2). The bounds keep every later computation
/// from overflowing or dividing by nothing: a parameter can make the network poor, never stop it.
library Parameters {
    using Decimals for uint256;

    uint256 private constant ONE = 10 ** 18;
    /// All the unym there are.
    uint256 private constant SUPPLY = 10 ** 15;
    /// The draw's last call puts all of them in force: 12.6 million gas for so many mixes, of 16.8 that a transaction may have. A set that
    /// none could draw would stop the network for good.
    uint256 private constant MAXIMUM_SET_SIZE = 3000;
    /// unym: a hundredth and a thousandth of all there is. Who may take part is not governance's to choose.
    uint256 private constant HIGHEST_MINIMUM_PLEDGE = 10 ** 13;
    uint256 private constant HIGHEST_MINIMUM_DELEGATION = 10 ** 12;
    uint256 private constant MAXIMUM_WORK_FACTOR = 10 ** 6 * ONE;
    /// Whoever wants to leave waits for the end of an epoch: were it as long as one likes, governance could freeze all stakes.
    uint32 private constant MAXIMUM_EPOCH_LENGTH = 366 days;
    /// Commitments and reveals need some blocks each. In an epoch without them the seed would be known before.
    uint32 private constant MINIMUM_EPOCH_LENGTH = 10 seconds;
    /// Eleven years of hours: what waits for the end of an interval must not wait for ever.
    uint32 private constant MAXIMUM_EPOCHS_IN_INTERVAL = 100_000;
    /// Of `rewardPool` or `stakingSupply`, which move by themselves: leave it as it is when the change comes into force.
    uint128 internal constant UNCHANGED = type(uint128).max;

    function checkOperators(OperatorsParams memory p) internal pure {
        if (p.minimumPledge == 0 || p.minimumPledge > HIGHEST_MINIMUM_PLEDGE) revert IMixnet.OutOfRange("minimumPledge");
        if (p.minimumDelegation > HIGHEST_MINIMUM_DELEGATION) revert IMixnet.OutOfRange("minimumDelegation");
        if (p.minimumProfitMargin > p.maximumProfitMargin || p.maximumProfitMargin > ONE) revert IMixnet.OutOfRange("profitMargin");
        if (p.minimumOperatingCost > p.maximumOperatingCost || p.maximumOperatingCost > SUPPLY) {
            revert IMixnet.OutOfRange("operatingCost");
        }
    }

    function checkCosts(OperatorsParams storage p, CostParams calldata costs) internal view {
        if (costs.profitMargin < p.minimumProfitMargin || costs.profitMargin > p.maximumProfitMargin) {
            revert IMixnet.OutOfRange("profitMargin");
        }
        if (costs.intervalOperatingCost < p.minimumOperatingCost || costs.intervalOperatingCost > p.maximumOperatingCost) {
            revert IMixnet.OutOfRange("operatingCost");
        }
    }

    function checkSet(RewardedSetParams memory set) internal pure {
        if (
            set.entryGateways == 0 || set.exitGateways == 0 || set.mixnodes == 0 || set.mixnodes % 3 != 0
                || Rewards.sizeOf(set) > MAXIMUM_SET_SIZE
        ) revert IMixnet.OutOfRange("rewardedSet");
    }

    function checkRewarding(RewardingParams memory p) internal pure {
        checkSet(p.rewardedSet);
        if (p.rewardPool != UNCHANGED && p.rewardPool > SUPPLY * ONE) revert IMixnet.OutOfRange("rewardPool");
        if (p.stakingSupply != UNCHANGED && (p.stakingSupply < SUPPLY || p.stakingSupply > SUPPLY * ONE)) {
            revert IMixnet.OutOfRange("stakingSupply");
        }
        if (p.activeSetWorkFactor < ONE || p.activeSetWorkFactor > MAXIMUM_WORK_FACTOR) {
            revert IMixnet.OutOfRange("activeSetWorkFactor");
        }
        if (p.stakingSupplyScaleFactor > ONE) revert IMixnet.OutOfRange("stakingSupplyScaleFactor");
        if (p.sybilResistance > ONE) revert IMixnet.OutOfRange("sybilResistance");
        if (p.intervalPoolEmission > ONE) revert IMixnet.OutOfRange("intervalPoolEmission");
    }

    function checkInterval(uint32 epochsInInterval, uint32 epochLength) internal pure {
        if (epochsInInterval == 0 || epochsInInterval > MAXIMUM_EPOCHS_IN_INTERVAL) revert IMixnet.OutOfRange("epochsInInterval");
        if (epochLength < MINIMUM_EPOCH_LENGTH || epochLength > MAXIMUM_EPOCH_LENGTH) revert IMixnet.OutOfRange("epochLength");
    }

    /// Whether there are tokens behind the pool that is asked for, and it has not yet paid out more than that.
    function isBacked(Layout storage $, uint128 pool) internal view returns (bool) {
        if (pool == UNCHANGED) return true;
        return pool >= $.removed && pool <= uint256($.params.rewardPool) + $.unallocated;
    }

    /// Of params that were checked and are backed.
    function applyRewarding(Layout storage $, RewardingParams memory p) internal {
        uint128 pool = $.params.rewardPool;
        if (p.rewardPool == UNCHANGED) p.rewardPool = pool;
        else $.unallocated = uint128(uint256($.unallocated) + pool - p.rewardPool);
        if (p.stakingSupply == UNCHANGED) p.stakingSupply = $.params.stakingSupply;
        derive(p, $.interval.epochsInInterval);
        $.params = p;
        emit IMixnet.ParamsChanged();
    }

    /// The two derived numbers. Official code recomputes each only where one of its inputs changed, which comes to the same.
    function derive(RewardingParams memory p, uint32 epochsInInterval) internal pure {
        p.epochRewardBudget =
            uint128(uint256(p.rewardPool).div(uint256(epochsInInterval).ofInt()).mul(p.intervalPoolEmission));
        p.stakeSaturationPoint = uint128(uint256(p.stakingSupply).div(Rewards.sizeOf(p.rewardedSet).ofInt()));
    }

    /// The active set's shares within a rewarded set whose size stays. False: it is larger than that.
    function applyActiveSet(Layout storage $, RewardedSetParams memory set) internal returns (bool) {
        uint256 size = Rewards.sizeOf($.params.rewardedSet);
        uint256 active = Rewards.activeSizeOf(set);
        if (active > size) return false;
        set.standby = uint32(size - active);
        $.params.rewardedSet = set;
        emit IMixnet.ParamsChanged();
        return true;
    }

    function applyInterval(Layout storage $, uint32 epochsInInterval, uint32 epochLength) internal {
        Interval storage interval = $.interval;
        interval.epochsInInterval = epochsInInterval;
        interval.epochLength = epochLength;
        if (interval.currentEpochId >= epochsInInterval) {
            interval.id += interval.currentEpochId / epochsInInterval;
            interval.currentEpochId %= epochsInInterval;
        }
        RewardingParams memory p = $.params;
        derive(p, epochsInInterval);
        $.params = p;
        emit IMixnet.ParamsChanged();
    }

    /// At the end of an interval: what was paid leaves the pool and joins the supply, what was given joins the pool.
    function closeInterval(Layout storage $) internal {
        RewardingParams memory p = $.params;
        uint256 removed = $.removed;
        p.rewardPool = uint128(uint256(p.rewardPool) - removed + $.added);
        uint256 supply = uint256(p.stakingSupply) + uint256(p.stakingSupplyScaleFactor).mul(removed);
        // Only if the whole supply went round through `fundPool` 100,000 times; and even then an interval must be able to end.
        p.stakingSupply = uint128(supply < UNCHANGED ? supply : UNCHANGED - 1);
        derive(p, $.interval.epochsInInterval);
        $.params = p;
        $.removed = 0;
        $.added = 0;
    }
}
