// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EpochState, Interval, OperatorsParams, RewardedSetParams, RewardingParams} from "../interfaces/Types.sol";

/// A node's accounts and bond. The first three words are all that rewarding touches, and of the third it only reads: 21,000 gas a node
/// would not hold a fourth. Unbonding clears the bond; the accounts stay while anybody delegates to the node.
struct Node {
    uint128 operator;
    uint128 delegates;
    // ---
    uint128 totalUnitReward;
    uint64 intervalOperatingCost;
    uint32 lastRewardedEpoch;
    uint32 uniqueDelegations;
    // ---
    uint64 profitMargin;
    /// unym, and more than 0 exactly while there is a bond. What is left in `operator` after the bond is dust of delegators that left
    /// later (tokenomics 13.1), and no bond.
    uint64 originalPledge;
    /// Ids of pending events; 0: none.
    uint48 pledgeChange;
    uint48 costParamsChange;
    /// Unix seconds, of the last change of `lateChange`. Here, because the draw reads this word anyway.
    uint32 lateAt;
    // ---
    address owner;
    uint40 bondedAt;
    uint32 bondedInEpoch;
    uint16 httpPort;
    bool isUnbonding;
    // ---
    bytes32 identityKey;
    string host;
    // ---
    /// By how much the stake changed once secrets were being revealed, up to `lateAt`: Decimal. See Late.
    int256 lateChange;
}

enum EpochEventKind {
    Delegate,
    Undelegate,
    PledgeMore,
    DecreasePledge,
    Unbond,
    UpdateActiveSet
}

/// One word. An amount of 56 bits holds 70 times all the unym there are.
struct EpochEvent {
    EpochEventKind kind;
    uint32 nodeId;
    uint56 amount;
    address owner;
}

enum IntervalEventKind {
    CostParams,
    RewardingParams,
    IntervalConfig
}

/// One word. `first` and `second`: profit margin and operating cost, or epochs in the interval and the length of one.
struct IntervalEvent {
    IntervalEventKind kind;
    uint32 nodeId;
    uint64 first;
    uint64 second;
}

/// Ids from 1.
struct Queue {
    uint64 last;
    uint64 lastProcessed;
}

struct StoredDelegation {
    uint64 amount;
    uint128 cumulativeRewardRatio;
    uint64 since;
}

struct Layout {
    Interval interval;
    EpochState state;
    /// Of the transition that runs: the interval ends with it.
    bool intervalEnds;
    uint32 nextIndex;
    uint32 nodesToReward;
    uint32 lastNodeId;
    /// The first event that was asked for once secrets were being revealed, and in which epoch. 0: none yet.
    uint64 firstLateEvent;
    uint32 firstLateInEpoch;
    RewardingParams params;
    /// Of the interval that runs: Decimals.
    uint128 removed;
    uint128 added;
    /// What governance took out of the pool and may put back: Decimal. Tokens that back no number.
    uint128 unallocated;
    OperatorsParams operators;
    Queue epochQueue;
    Queue intervalQueue;
    mapping(uint32 nodeId => Node) nodes;
    mapping(uint32 nodeId => mapping(address owner => StoredDelegation)) delegations;
    mapping(address owner => uint32) nodeIdOf;
    mapping(bytes32 identityKey => uint32) nodeIdOfKey;
    mapping(uint256 word => uint256) bonded;
    mapping(address owner => uint64) owed;
    mapping(address owner => uint32) nonces;
    mapping(uint64 id => EpochEvent) epochEvents;
    mapping(uint64 id => IntervalEvent) intervalEvents;
    mapping(uint64 id => RewardedSetParams) activeSetChanges;
    mapping(uint64 id => RewardingParams) rewardingParamsChanges;
}

/// One place for the state, so that the libraries the contract is made of, linked or not, share it.
library MixnetStorage {
    // ERC-7201 of "starling.mixnet": out of the reach of any declared variable.
    bytes32 private constant SLOT = 0x62af3a06e086ff962790b30ab8a7cfc05192ae5c9a3693f03cc472636bbce700;

    function get() internal pure returns (Layout storage $) {
        assembly ("memory-safe") {
            $.slot := SLOT
        }
    }
}
