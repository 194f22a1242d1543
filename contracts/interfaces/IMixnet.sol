// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Bond, CostParams, Delegation, EpochState, Interval, NodeRewarding, NodeStake, OperatorsParams, RewardedSetParams, RewardingParams
} from "./Types.sol";

/// Bonds, delegations, epochs and rewards. Official rules: tokenomics parts 3 to 6. What is paid out leaves by `withdraw…` or at
/// reconciliation into `owed`, from where its owner pulls it with `claim`.
interface IMixnet {
    // ---- operators. `EP`: only while the epoch is in progress.

    /// Pulls `pledge` by allowance. `signature` is the identity key's, over the text of `bondingPayload`. Returns the node's id.
    function bond(
        bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs, uint64 pledge,
        bytes32 signatureR, bytes32 signatureS
    ) external returns (uint32 nodeId);
    /// The exact bytes that the identity key signs for `owner` now: tokenomics 3.1, the sender as IOwnershipProof has it.
    function bondingPayload(
        address owner, bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs, uint64 pledge
    ) external view returns (bytes memory);
    function signingNonce(address owner) external view returns (uint32);
    function updateHost(string calldata host, uint16 httpPort) external;
    function pledgeMore(uint64 amount) external; // EP
    function decreasePledge(uint64 amount) external; // EP
    function updateCostParams(CostParams calldata costs) external; // EP
    function unbond() external; // EP
    function withdrawOperatorReward() external returns (uint64 paid);

    // ---- delegators
    function delegate(uint32 nodeId, uint64 amount) external; // EP
    function undelegate(uint32 nodeId) external; // EP
    function withdrawDelegatorReward(uint32 nodeId) external returns (uint64 paid);

    /// What reconciliation set aside for the sender: unbonded stakes, undelegated stakes, refunds, decreased pledges.
    function claim() external returns (uint64 paid);
    function owed(address owner) external view returns (uint64);

    // ---- the epoch: anybody may call, nobody can do it wrong
    function beginEpochTransition() external;
    /// Rewards the next `limit` nodes of the rewarded set, in order of id.
    function rewardNodes(uint32 limit) external;
    /// Applies up to `limit` pending events.
    function reconcileEpochEvents(uint32 limit) external;
    /// The rewarded set's contract, once the next set is drawn and in force. Moves to the next epoch.
    function advanceEpoch() external;
    /// Anybody may add to the reward pool; counts from the end of the interval.
    function fundPool(uint64 amount) external;

    // ---- governance, behind a timelock
    function updateRewardingParams(RewardingParams calldata params, bool force) external; // derived fields are ignored
    function updateActiveSetDistribution(uint32 entryGateways, uint32 exitGateways, uint32 mixnodes, bool force) external;
    function updateIntervalConfig(uint32 epochsInInterval, uint32 epochLength, bool force) external;
    function updateOperatorsParams(OperatorsParams calldata params) external;

    // ---- reads
    function interval() external view returns (Interval memory);
    function isEpochOver() external view returns (bool);
    function isIntervalOver() external view returns (bool);
    function epochState() external view returns (EpochState state, uint32 nextIndex, uint32 nodesToReward);
    function rewardingParams() external view returns (RewardingParams memory);
    function operatorsParams() external view returns (OperatorsParams memory);
    function poolChange() external view returns (uint128 removed, uint128 added);
    function keyRotation() external view returns (uint32 validityEpochs, uint32 initialEpochId);
    /// Ids are given from 1, never twice.
    function lastNodeId() external view returns (uint32);
    function nodeIdOf(address owner) external view returns (uint32);
    function nodeIdOfKey(bytes32 identityKey) external view returns (uint32);
    /// Bit i of word w is node 256w + i: bonded, or unbonding.
    function bondedWord(uint256 word) external view returns (uint256);
    function bondOf(uint32 nodeId) external view returns (Bond memory);
    function rewardingOf(uint32 nodeId) external view returns (NodeRewarding memory);
    function delegationOf(uint32 nodeId, address owner) external view returns (Delegation memory);
    /// Decimals: what would be paid now beyond the principal.
    function pendingOperatorReward(uint32 nodeId) external view returns (uint128);
    function pendingDelegatorReward(uint32 nodeId, address owner) external view returns (uint128);
    function pendingEvents() external view returns (uint64 epochEvents, uint64 intervalEvents);
    /// For the draw: zeroes and not eligible where there is no bond. What was asked for or withdrawn after `IPerformance.revealFrom` of the
    /// epoch that ends, and so moved stake, is left out: what came does not count, and what went does. By time: of epochs that are
    /// caught up after a standstill, what moves meanwhile counts in none.
    function stakesOf(uint32[] calldata nodeIds) external view returns (NodeStake[] memory);
    function epochWorkFactors() external view returns (uint128 active, uint128 standby);

    /// With all that the node begins with: who bonds through a contract of its own would otherwise keep its first costs from whoever checks
    /// its rewards.
    event Bonded(
        uint32 indexed nodeId, address indexed owner, bytes32 indexed identityKey, string host, uint16 httpPort, uint64 pledge,
        uint64 profitMargin, uint64 intervalOperatingCost
    );
    event HostUpdated(uint32 indexed nodeId, string host, uint16 httpPort);
    event UnbondRequested(uint32 indexed nodeId);
    event Unbonded(uint32 indexed nodeId, address indexed owner, uint64 paid);
    event PledgeMoreRequested(uint32 indexed nodeId, uint64 amount);
    event PledgeDecreaseRequested(uint32 indexed nodeId, uint64 amount);
    event CostParamsRequested(uint32 indexed nodeId, uint64 profitMargin, uint64 intervalOperatingCost);
    event PledgeChanged(uint32 indexed nodeId, uint64 pledge);
    event CostParamsChanged(uint32 indexed nodeId, uint64 profitMargin, uint64 intervalOperatingCost);
    event DelegationRequested(uint32 indexed nodeId, address indexed owner, uint64 amount);
    event Delegated(uint32 indexed nodeId, address indexed owner, uint64 amount, uint128 cumulativeRewardRatio);
    event DelegationRefunded(uint32 indexed nodeId, address indexed owner, uint64 amount);
    event UndelegationRequested(uint32 indexed nodeId, address indexed owner);
    event Undelegated(uint32 indexed nodeId, address indexed owner, uint64 paid);
    event OperatorRewardWithdrawn(uint32 indexed nodeId, address indexed owner, uint64 paid);
    event DelegatorRewardWithdrawn(uint32 indexed nodeId, address indexed owner, uint64 paid);
    event Claimed(address indexed owner, uint64 paid);
    event PoolFunded(address indexed from, uint64 amount);
    event EpochTransitionBegan(uint32 indexed epochId, uint32 nodesToReward);
    /// Enough to recompute every delegator's share: tokenomics 11.4.
    event NodeRewarded(
        uint32 indexed epochId, uint32 indexed nodeId, uint64 performance, uint128 operatorReward, uint128 delegatesReward,
        uint128 priorDelegates, uint128 priorUnitReward
    );
    /// reason: 0 no bond, 1 zero performance, 2 bonded or rewarded in this epoch, 3 the pool is exhausted.
    event NodeNotRewarded(uint32 indexed epochId, uint32 indexed nodeId, uint8 reason);
    event EpochAdvanced(uint32 indexed epochId, uint64 start);
    event ParamsChanged();

    error EpochAdvancementInProgress();
    error WrongEpochState(EpochState state);
    error EpochNotOver();
    error ScoresNotSettled();
    error AlreadyBonded();
    error IdentityTaken();
    error BadOwnershipSignature();
    error NotBonded();
    error Unbonding();
    error PendingPledgeChange();
    error HostTooLong();
    error BelowMinimumPledge(uint64 minimum);
    error BelowMinimumDelegation(uint64 minimum);
    error OutOfRange(string parameter);
    error NoDelegation();
    error NothingOwed();
    error NotGovernance();
    error NotRewardedSet();
    error TotalWorkAboveOne();
    error NothingToDo();
}
