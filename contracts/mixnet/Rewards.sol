// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RewardedSetParams, RewardingParams} from "../interfaces/Types.sol";
import {Decimals} from "./Decimals.sol";

/// The formulas of tokenomics 4 to 6, on numbers alone.
library Rewards {
    using Decimals for uint256;

    uint256 internal constant ONE = 10 ** 18;
    /// The imagined delegation that was made when the node was bonded and never left: a thousand NYM. Decimal.
    uint256 internal constant UNIT_DELEGATION = 10 ** 27;

    struct Split {
        uint256 operator;
        uint256 delegates;
    }

    /// 6.4. `active` and `standby` are the sizes of the set on hand, which the parameters may have outgrown or undercut: work may only
    /// shrink by it. The official driver gives up where the sum would pass 1; an epoch that nobody can end would be worse than a
    /// little less pay, so the set on hand then counts whole.
    function workFactors(RewardingParams memory params, uint256 active, uint256 standby)
        internal pure returns (uint256 activeWork, uint256 standbyWork)
    {
        uint256 k = sizeOf(params.rewardedSet);
        uint256 onStandby = params.rewardedSet.standby;
        if (active + standby > k) k = active + standby;
        if (standby > onStandby) onStandby = standby;
        if (k < onStandby + active) k = onStandby + active;
        uint256 f = params.activeSetWorkFactor;
        standbyWork = ONE.div(f.mul(k.ofInt()) - (f - ONE).mul(onStandby.ofInt()));
        activeWork = f.mul(standbyWork);
    }

    /// 6.2: of a node with a pledge, so that `operator` is more than 0. `size`: of the rewarded set, as a Decimal.
    function nodeReward(
        RewardingParams memory params, uint256 size, uint256 operator, uint256 bond, uint256 performance, uint256 work
    ) internal pure returns (uint256) {
        uint256 saturation = params.stakeSaturationPoint;
        uint256 lambda = operator > saturation ? ONE : operator.div(saturation);
        uint256 sigma = bond > saturation ? ONE : bond.div(saturation);
        uint256 alpha = params.sybilResistance;
        return uint256(params.epochRewardBudget).mul(performance).mul(sigma).mul(
            work + alpha.mul(lambda).div(size)
        ).div(ONE + alpha);
    }

    /// 6.3.
    function split(
        uint256 reward, uint256 operator, uint256 bond, uint256 margin, uint256 intervalCost, uint256 epochsInInterval,
        uint256 performance
    ) internal pure returns (Split memory) {
        uint256 cost = ((intervalCost * ONE) / epochsInInterval).mul(performance);
        if (reward <= cost) return Split(reward, 0);
        uint256 profit = reward - cost;
        uint256 operatorPart = profit.mul(margin + (ONE - margin).mul(operator.div(bond)));
        return Split(operatorPart + cost, profit - operatorPart);
    }

    /// 4.3. The official product aborts past 128 bits, which a delegation of ten million NYM reaches once it has grown by a few
    /// percent. Here only the result must fit, and it does: it is a part of `delegates`.
    function ofDelegation(uint256 totalUnitReward, uint256 ratio, uint256 amount) internal pure returns (uint256) {
        return (totalUnitReward - ratio).mul(amount.ofInt()).div(ratio + UNIT_DELEGATION);
    }

    function sizeOf(RewardedSetParams memory set) internal pure returns (uint256) {
        return activeSizeOf(set) + set.standby;
    }

    function activeSizeOf(RewardedSetParams memory set) internal pure returns (uint256) {
        return uint256(set.entryGateways) + set.exitGateways + set.mixnodes;
    }
}
