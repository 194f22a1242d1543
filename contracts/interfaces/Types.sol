// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Amounts are unym (millionths of NYM). "Decimal" is an unsigned fixed-point number of 18 fractional digits in a uint128, as in the
// official contracts; every product and quotient floors. "Percent" is a Decimal of 0 to 1 in a uint64. docs/spec/ledger.md.

/// How many nodes of each kind an epoch rewards. The active set is the first three together, the rewarded set all four.
struct RewardedSetParams {
    uint32 entryGateways;
    uint32 exitGateways;
    uint32 mixnodes;
    uint32 standby;
}

struct RewardingParams {
    uint128 rewardPool;
    uint128 stakingSupply;
    /// Derived: (rewardPool / epochsInInterval) * intervalPoolEmission.
    uint128 epochRewardBudget;
    /// Derived: stakingSupply / size of the rewarded set.
    uint128 stakeSaturationPoint;
    uint128 activeSetWorkFactor;
    uint64 stakingSupplyScaleFactor;
    uint64 sybilResistance;
    uint64 intervalPoolEmission;
    RewardedSetParams rewardedSet;
}

struct Interval {
    uint32 id;
    uint32 epochsInInterval;
    /// Within the interval, from 0.
    uint32 currentEpochId;
    /// The absolute id of the epoch that runs.
    uint32 totalElapsedEpochs;
    /// Seconds.
    uint32 epochLength;
    /// Unix seconds.
    uint64 currentEpochStart;
}

enum EpochState {
    InProgress,
    Rewarding,
    ReconcilingEvents,
    RoleAssignment
}

/// As numbers they are what listings and packed sets hold. None is a bonded node outside the set.
enum Role {
    EntryGateway,
    Layer1,
    Layer2,
    Layer3,
    ExitGateway,
    Standby,
    None
}

/// What a node says that it can do; bits of a byte. Exit needs one of the two services.
library Capabilities {
    uint8 internal constant MIX = 1;
    uint8 internal constant ENTRY = 2;
    uint8 internal constant EXIT_REQUESTER = 4;
    uint8 internal constant EXIT_ROUTER = 8;
}

struct CostParams {
    /// Percent.
    uint64 profitMargin;
    /// unym an interval.
    uint64 intervalOperatingCost;
}

struct OperatorsParams {
    uint64 minimumPledge;
    /// 0: any that is more than nothing.
    uint64 minimumDelegation;
    uint64 minimumProfitMargin;
    uint64 maximumProfitMargin;
    uint64 minimumOperatingCost;
    uint64 maximumOperatingCost;
}

struct Bond {
    address owner;
    bool isUnbonding;
    /// Absolute.
    uint32 bondedInEpoch;
    uint64 bondedAt;
    uint64 originalPledge;
    uint16 httpPort;
    bytes32 identityKey;
    string host;
}

/// O(1) accounts of a node: docs/spec/ledger.md, "Accounts". Decimals but the last three.
struct NodeRewarding {
    uint128 operator;
    uint128 delegates;
    uint128 totalUnitReward;
    uint64 profitMargin;
    uint64 intervalOperatingCost;
    uint32 lastRewardedEpoch;
    uint32 uniqueDelegations;
}

struct Delegation {
    uint64 amount;
    /// Decimal: the node's totalUnitReward when it began.
    uint128 cumulativeRewardRatio;
    uint64 since;
}

/// Part of what each node weighs in the draw, and what the epoch's root commits to.
struct NodeStake {
    uint128 operator;
    uint128 delegates;
    bytes32 identityKey;
    /// May be drawn: not unbonding.
    bool eligible;
    uint64 bondedAt;
}
