// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMixnet} from "../interfaces/IMixnet.sol";
import {CostParams, OperatorsParams, RewardingParams} from "../interfaces/Types.sol";
import {Decimals} from "./Decimals.sol";
import {Late} from "./Late.sol";
import {Layout, Node, StoredDelegation} from "./MixnetStorage.sol";
import {Rewards} from "./Rewards.sol";

/// O(1) accounts of a node and its delegators (tokenomics 4).
///
/// Why `delegates` never falls short of what the delegators have together: `totalUnitReward` grows by a floored part of a floored
/// share, so no delegation grows faster than `delegates`; and who leaves or withdraws takes a floored amount. Each step leaves the
/// difference as it was, or more.
library Accounts {
    using Decimals for uint256;

    uint256 private constant ONE = 10 ** 18;

    /// What stays the same for every node of a batch.
    struct Epoch {
        uint32 id;
        uint32 epochsInInterval;
        /// Of the rewarded set, by the parameters: Decimal.
        uint256 size;
        uint256 activeWork;
        uint256 standbyWork;
        /// What the pool still holds.
        uint256 available;
    }

    uint8 internal constant NO_BOND = 0;
    uint8 internal constant ZERO_PERFORMANCE = 1;
    uint8 internal constant ALREADY = 2;
    uint8 internal constant OUT_OF_BOUNDS = 3;

    /// Rewards one node for the epoch. Nothing about one node may stop the others: each obstacle is an event. Returns what it cost the
    /// pool.
    function reward(
        Layout storage $, Epoch memory epoch, RewardingParams memory params, OperatorsParams memory bounds, uint32 nodeId,
        uint256 performance, bool standby
    ) internal returns (uint256) {
        Node storage node = $.nodes[nodeId];
        if (node.originalPledge == 0) return unrewarded(epoch.id, nodeId, NO_BOND);
        if (node.lastRewardedEpoch == epoch.id) return unrewarded(epoch.id, nodeId, ALREADY);
        uint256 work = standby ? epoch.standbyWork : epoch.activeWork;
        if (performance == 0 || work == 0) {
            node.lastRewardedEpoch = epoch.id;
            return unrewarded(epoch.id, nodeId, ZERO_PERFORMANCE);
        }
        // A measure of more than all would be a bug elsewhere; it must not become money here.
        if (performance > ONE) performance = ONE;
        clampCosts(node, bounds, nodeId);
        return pay(epoch, params, node, nodeId, performance, work);
    }

    function pay(
        Epoch memory epoch, RewardingParams memory params, Node storage node, uint32 nodeId, uint256 performance, uint256 work
    ) private returns (uint256 total) {
        uint256 operator = node.operator;
        uint256 delegates = node.delegates;
        uint256 unit = node.totalUnitReward;
        Rewards.Split memory parts;
        uint256 unitAfter;
        // Sums of two Decimals, and differences whose second is a part of the first.
        unchecked {
            uint256 bond = operator + delegates;
            total = Rewards.nodeReward(params, epoch.size, operator, bond, performance, work);
            parts = Rewards.split(
                total, operator, bond, node.profitMargin, node.intervalOperatingCost, epoch.epochsInInterval, performance
            );
            unitAfter = unit;
            if (delegates != 0) unitAfter += parts.delegates.mul((Rewards.UNIT_DELEGATION + unit).div(delegates));
        }
        // Official code would abort, and with it the epoch of everybody. Neither happens while parameters stay as they are: the budget
        // is a part of the pool, and a unit's reward passes 128 bits only where a stake has grown by itself a hundred billion times.
        if (total > epoch.available || unitAfter > type(uint128).max) {
            node.lastRewardedEpoch = epoch.id;
            return unrewarded(epoch.id, nodeId, OUT_OF_BOUNDS);
        }
        // In one go each: two words are written.
        unchecked {
            node.operator = uint128(operator + parts.operator);
            node.delegates = uint128(delegates + parts.delegates);
        }
        node.totalUnitReward = uint128(unitAfter);
        node.lastRewardedEpoch = epoch.id;
        emit IMixnet.NodeRewarded(
            epoch.id, nodeId, uint64(performance), uint128(parts.operator), uint128(parts.delegates), uint128(delegates), uint128(unit)
        );
    }

    /// For good: tokenomics 5.3, part 2.
    function clampCosts(Node storage node, OperatorsParams memory bounds, uint32 nodeId) private {
        uint64 margin = node.profitMargin;
        uint64 cost = node.intervalOperatingCost;
        uint64 newMargin = clamp(margin, bounds.minimumProfitMargin, bounds.maximumProfitMargin);
        uint64 newCost = clamp(cost, bounds.minimumOperatingCost, bounds.maximumOperatingCost);
        if (newMargin != margin || newCost != cost) setCosts(node, nodeId, CostParams(newMargin, newCost));
    }

    function clamp(uint64 value, uint64 minimum, uint64 maximum) private pure returns (uint64) {
        return value < minimum ? minimum : value > maximum ? maximum : value;
    }

    function setCosts(Node storage node, uint32 nodeId, CostParams memory costs) internal {
        node.profitMargin = costs.profitMargin;
        node.intervalOperatingCost = costs.intervalOperatingCost;
        emit IMixnet.CostParamsChanged(nodeId, costs.profitMargin, costs.intervalOperatingCost);
    }

    function unrewarded(uint32 epochId, uint32 nodeId, uint8 reason) private returns (uint256) {
        emit IMixnet.NodeNotRewarded(epochId, nodeId, reason);
        return 0;
    }

    /// 4.4: of a node that is bonded and stays.
    function delegate(Layout storage $, uint32 nodeId, address owner, uint64 amount) internal {
        Node storage node = $.nodes[nodeId];
        StoredDelegation storage delegation = $.delegations[nodeId][owner];
        // Topping up is leaving and coming back with the whole: the fraction of a unym that is floored away goes where it goes then.
        uint64 whole = delegation.amount == 0 ? amount : amount + settle(node, delegation);
        uint128 ratio = node.totalUnitReward;
        node.delegates = uint128(node.delegates + uint256(whole).ofInt());
        node.uniqueDelegations += 1;
        delegation.amount = whole;
        delegation.cumulativeRewardRatio = ratio;
        delegation.since = uint64(block.timestamp);
        emit IMixnet.Delegated(nodeId, owner, whole, ratio);
    }

    /// 4.5: of a delegation that exists. Returns what its owner is to have.
    function undelegate(Layout storage $, uint32 nodeId, address owner) internal returns (uint64 paid) {
        StoredDelegation storage delegation = $.delegations[nodeId][owner];
        paid = settle($.nodes[nodeId], delegation);
        delete $.delegations[nodeId][owner];
        emit IMixnet.Undelegated(nodeId, owner, paid);
    }

    function settle(Node storage node, StoredDelegation storage delegation) private returns (uint64) {
        uint256 full = rewardOf(node, delegation) + uint256(delegation.amount).ofInt();
        uint256 rest = node.delegates - full;
        node.uniqueDelegations -= 1;
        if (node.uniqueDelegations == 0) {
            node.operator = uint128(node.operator + rest);
            rest = 0;
        }
        node.delegates = uint128(rest);
        return uint64(full.truncate());
    }

    /// 4.6: of a delegation that exists.
    function withdrawDelegatorReward(Layout storage $, Node storage node, StoredDelegation storage delegation) internal returns (uint64) {
        uint256 earned = rewardOf(node, delegation);
        uint256 before = Late.stakeOf(node);
        node.delegates = uint128(node.delegates - earned);
        delegation.cumulativeRewardRatio = node.totalUnitReward;
        if (Late.isLate($)) Late.note($, node, before);
        return uint64(earned.truncate());
    }

    function withdrawOperatorReward(Layout storage $, Node storage node) internal returns (uint64) {
        uint256 earned = operatorRewardOf(node);
        uint256 before = Late.stakeOf(node);
        node.operator = uint128(node.operator - earned);
        if (Late.isLate($)) Late.note($, node, before);
        return uint64(earned.truncate());
    }

    function rewardOf(Node storage node, StoredDelegation storage delegation) internal view returns (uint256) {
        return Rewards.ofDelegation(node.totalUnitReward, delegation.cumulativeRewardRatio, delegation.amount);
    }

    function operatorRewardOf(Node storage node) internal view returns (uint256) {
        return node.operator - uint256(node.originalPledge).ofInt();
    }
}
