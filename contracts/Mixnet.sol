// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IMixnet} from "./interfaces/IMixnet.sol";
import {IOwnershipProof} from "./interfaces/IOwnershipProof.sol";
import {IPerformance} from "./interfaces/IPerformance.sol";
import {IRewardedSet} from "./interfaces/IRewardedSet.sol";
import {
    Bond, CostParams, Delegation, EpochState, Interval, NodeRewarding, NodeStake, OperatorsParams, RewardedSetParams, RewardingParams
} from "./interfaces/Types.sol";
import {Accounts} from "./mixnet/Accounts.sol";
import {Decimals} from "./mixnet/Decimals.sol";
import {Governance} from "./mixnet/Governance.sol";
import {Late} from "./mixnet/Late.sol";
import {
    EpochEvent, EpochEventKind, IntervalEvent, IntervalEventKind, Layout, MixnetStorage, Node, Queue, StoredDelegation
} from "./mixnet/MixnetStorage.sol";
import {Parameters} from "./mixnet/Parameters.sol";
import {Queues} from "./mixnet/Queues.sol";
import {Reconciliation} from "./mixnet/Reconciliation.sol";
import {Rewards} from "./mixnet/Rewards.sol";

struct MixnetConfig {
    address token;
    address performance;
    address rewardedSet;
    address ownershipProof;
    address governance;
    uint32 epochsInInterval;
    uint32 epochLength;
    uint32 keyValidityEpochs;
    /// Absolute. Its key rotation is firstEpochId / keyValidityEpochs, and packets cannot name rotation 0.
    uint32 firstEpochId;
    uint64 firstEpochStart;
    RewardingParams rewarding;
    OperatorsParams operators;
}

/// Bonds, delegations, epochs and rewards: see IMixnet, and docs/spec/ledger.md.
///
/// Where the tokens are: what the contract holds is at least pledges, delegations, rewards not yet taken, what is owed, and the pool.
/// Tokens come in before the number that stands for them is written, and a number goes before its tokens leave. Governance can move
/// tokens between the pool's number and the unallocated rest, nowhere else.
contract Mixnet is IMixnet, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Decimals for uint256;
    using Queues for Layout;
    using Queues for Queue;

    uint256 private constant MAXIMUM_HOST_LENGTH = 255;
    uint32 private constant MINIMUM_KEY_VALIDITY = 3;

    IERC20 public immutable token;
    IPerformance public immutable performance;
    IRewardedSet public immutable rewardedSet;
    IOwnershipProof public immutable ownershipProof;
    address public immutable governance;
    uint32 private immutable keyValidityEpochs;

    /// The pool's tokens have to be here before the contract: a transfer to the address that it will have.
    error PoolNotFunded();

    modifier duringEpoch() {
        _duringEpoch();
        _;
    }

    modifier byGovernance() {
        if (msg.sender != governance) revert NotGovernance();
        // Not between the rewards of two nodes, which must be paid by the same rule: whoever runs the timelock could choose the moment.
        _duringEpoch();
        _;
    }

    constructor(MixnetConfig memory config) {
        token = IERC20(config.token);
        performance = IPerformance(config.performance);
        rewardedSet = IRewardedSet(config.rewardedSet);
        ownershipProof = IOwnershipProof(config.ownershipProof);
        governance = config.governance;
        keyValidityEpochs = config.keyValidityEpochs;

        if (config.keyValidityEpochs < MINIMUM_KEY_VALIDITY) revert OutOfRange("keyValidityEpochs");
        RewardingParams memory params = config.rewarding;
        if (params.rewardPool == Parameters.UNCHANGED) revert OutOfRange("rewardPool");
        if (params.stakingSupply == Parameters.UNCHANGED) revert OutOfRange("stakingSupply");
        Parameters.checkRewarding(params);
        Parameters.checkOperators(config.operators);
        Parameters.checkInterval(config.epochsInInterval, config.epochLength);
        if (IERC20(config.token).balanceOf(address(this)).ofInt() < params.rewardPool) revert PoolNotFunded();

        Layout storage $ = MixnetStorage.get();
        Parameters.derive(params, config.epochsInInterval);
        $.params = params;
        $.operators = config.operators;
        $.interval = Interval(
            0, config.epochsInInterval, 0, config.firstEpochId, config.epochLength, config.firstEpochStart
        );
    }

    // ---- operators

    /// @inheritdoc IMixnet
    function bond(
        bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs, uint64 pledge,
        bytes32 signatureR, bytes32 signatureS
    ) external nonReentrant returns (uint32 nodeId) {
        Layout storage $ = MixnetStorage.get();
        if (bytes(host).length > MAXIMUM_HOST_LENGTH) revert HostTooLong();
        if (pledge < $.operators.minimumPledge) revert BelowMinimumPledge($.operators.minimumPledge);
        Parameters.checkCosts($.operators, costs);
        if ($.nodeIdOf[msg.sender] != 0) revert AlreadyBonded();
        if (
            !ownershipProof.verify(
                msg.sender, $.nonces[msg.sender], identityKey, host, httpPort, costs, pledge, signatureR, signatureS
            )
        ) revert BadOwnershipSignature();
        if ($.nodeIdOfKey[identityKey] != 0) revert IdentityTaken();

        $.nonces[msg.sender] += 1;
        nodeId = ++$.lastNodeId;
        $.nodeIdOf[msg.sender] = nodeId;
        $.nodeIdOfKey[identityKey] = nodeId;
        $.bonded[nodeId >> 8] |= uint256(1) << (nodeId & 255);
        Node storage node = $.nodes[nodeId];
        node.operator = uint128(uint256(pledge).ofInt());
        node.intervalOperatingCost = costs.intervalOperatingCost;
        // Pays nothing for the epoch in which it comes.
        node.lastRewardedEpoch = $.interval.totalElapsedEpochs;
        node.profitMargin = costs.profitMargin;
        node.originalPledge = pledge;
        node.owner = msg.sender;
        node.bondedAt = uint40(block.timestamp);
        node.bondedInEpoch = $.interval.totalElapsedEpochs;
        node.httpPort = httpPort;
        node.identityKey = identityKey;
        node.host = host;
        emit Bonded(
            nodeId, msg.sender, identityKey, host, httpPort, pledge, costs.profitMargin, costs.intervalOperatingCost
        );
        _pull(pledge);
    }

    /// @inheritdoc IMixnet
    function updateHost(string calldata host, uint16 httpPort) external {
        (uint32 nodeId, Node storage node) = _ownNode();
        if (bytes(host).length > MAXIMUM_HOST_LENGTH) revert HostTooLong();
        node.host = host;
        node.httpPort = httpPort;
        emit HostUpdated(nodeId, host, httpPort);
    }

    /// @inheritdoc IMixnet
    function pledgeMore(uint64 amount) external nonReentrant duringEpoch {
        (uint32 nodeId, Node storage node) = _ownNode();
        if (node.pledgeChange != 0) revert PendingPledgeChange();
        if (amount == 0) revert OutOfRange("amount");
        node.pledgeChange = uint48(MixnetStorage.get().push(EpochEventKind.PledgeMore, nodeId, amount, msg.sender));
        emit PledgeMoreRequested(nodeId, amount);
        _pull(amount);
    }

    /// @inheritdoc IMixnet
    function decreasePledge(uint64 amount) external duringEpoch {
        Layout storage $ = MixnetStorage.get();
        (uint32 nodeId, Node storage node) = _ownNode();
        if (node.pledgeChange != 0) revert PendingPledgeChange();
        if (amount == 0) revert OutOfRange("amount");
        uint64 minimum = $.operators.minimumPledge;
        if (amount > node.originalPledge || node.originalPledge - amount < minimum) revert BelowMinimumPledge(minimum);
        node.pledgeChange = uint48($.push(EpochEventKind.DecreasePledge, nodeId, amount, msg.sender));
        emit PledgeDecreaseRequested(nodeId, amount);
    }

    /// @inheritdoc IMixnet
    function updateCostParams(CostParams calldata costs) external {
        Layout storage $ = MixnetStorage.get();
        Parameters.checkCosts($.operators, costs);
        _duringEpoch();
        (uint32 nodeId, Node storage node) = _ownNode();
        node.costParamsChange =
            uint48($.push(IntervalEventKind.CostParams, nodeId, costs.profitMargin, costs.intervalOperatingCost));
        emit CostParamsRequested(nodeId, costs.profitMargin, costs.intervalOperatingCost);
    }

    /// @inheritdoc IMixnet
    function unbond() external duringEpoch {
        (uint32 nodeId, Node storage node) = _ownNode();
        if (node.pledgeChange != 0) revert PendingPledgeChange();
        node.isUnbonding = true;
        // The event's number is for those that remember it.
        // slither-disable-next-line unused-return
        MixnetStorage.get().push(EpochEventKind.Unbond, nodeId, 0, msg.sender);
        emit UnbondRequested(nodeId);
    }

    /// @inheritdoc IMixnet
    function withdrawOperatorReward() external nonReentrant returns (uint64 paid) {
        (uint32 nodeId, Node storage node) = _ownNode();
        paid = Accounts.withdrawOperatorReward(MixnetStorage.get(), node);
        emit OperatorRewardWithdrawn(nodeId, msg.sender, paid);
        _pay(paid);
    }

    // ---- delegators

    /// @inheritdoc IMixnet
    function delegate(uint32 nodeId, uint64 amount) external nonReentrant duringEpoch {
        Layout storage $ = MixnetStorage.get();
        uint64 minimum = $.operators.minimumDelegation;
        if (minimum == 0) minimum = 1;
        if (amount < minimum) revert BelowMinimumDelegation(minimum);
        // Only whether it is there.
        // slither-disable-next-line unused-return
        _bondedNode(nodeId);
        // The event's number is for those that remember it.
        // slither-disable-next-line unused-return
        $.push(EpochEventKind.Delegate, nodeId, amount, msg.sender);
        emit DelegationRequested(nodeId, msg.sender, amount);
        _pull(amount);
    }

    /// @inheritdoc IMixnet
    function undelegate(uint32 nodeId) external duringEpoch {
        Layout storage $ = MixnetStorage.get();
        if ($.delegations[nodeId][msg.sender].amount == 0) revert NoDelegation();
        // The event's number is for those that remember it.
        // slither-disable-next-line unused-return
        $.push(EpochEventKind.Undelegate, nodeId, 0, msg.sender);
        emit UndelegationRequested(nodeId, msg.sender);
    }

    /// @inheritdoc IMixnet
    function withdrawDelegatorReward(uint32 nodeId) external nonReentrant returns (uint64 paid) {
        Layout storage $ = MixnetStorage.get();
        StoredDelegation storage delegation = $.delegations[nodeId][msg.sender];
        if (delegation.amount == 0) revert NoDelegation();
        paid = Accounts.withdrawDelegatorReward($, _bondedNode(nodeId), delegation);
        emit DelegatorRewardWithdrawn(nodeId, msg.sender, paid);
        _pay(paid);
    }

    /// @inheritdoc IMixnet
    function claim() external nonReentrant returns (uint64 paid) {
        Layout storage $ = MixnetStorage.get();
        paid = $.owed[msg.sender];
        if (paid == 0) revert NothingOwed();
        delete $.owed[msg.sender];
        emit Claimed(msg.sender, paid);
        _pay(paid);
    }

    // ---- the epoch

    /// @inheritdoc IMixnet
    function beginEpochTransition() external nonReentrant {
        Layout storage $ = MixnetStorage.get();
        if (!isEpochOver()) revert EpochNotOver();
        _expect(EpochState.InProgress);
        (uint32 active, uint32 standby) = rewardedSet.size();
        $.nextIndex = 0;
        // Once for the whole transition: else how somebody cuts it into calls, or when, would decide which events of the interval run.
        $.intervalEnds = isIntervalOver();
        $.nodesToReward = active + standby;
        $.state = active + standby == 0 ? EpochState.ReconcilingEvents : EpochState.Rewarding;
        emit EpochTransitionBegan($.interval.totalElapsedEpochs, active + standby);
    }

    /// @inheritdoc IMixnet
    function rewardNodes(uint32 limit) external nonReentrant {
        Layout storage $ = MixnetStorage.get();
        _expect(EpochState.Rewarding);
        if (limit == 0) revert NothingToDo();
        // Every field of it is filled in below.
        // slither-disable-next-line uninitialized-local
        Accounts.Epoch memory epoch;
        epoch.id = $.interval.totalElapsedEpochs;
        epoch.epochsInInterval = $.interval.epochsInInterval;
        if (!performance.isSettled(epoch.id)) revert ScoresNotSettled();

        uint32 next = $.nextIndex;
        uint32 left = $.nodesToReward - next;
        (uint32[] memory nodeIds, bool[] memory standby) = rewardedSet.slice(next, limit < left ? limit : left);
        uint64[] memory scores = performance.scoresOf(epoch.id, nodeIds);

        RewardingParams memory params = $.params;
        OperatorsParams memory bounds = $.operators;
        epoch.size = Rewards.sizeOf(params.rewardedSet).ofInt();
        (epoch.activeWork, epoch.standbyWork) = epochWorkFactors();
        uint256 removed = $.removed;
        epoch.available = params.rewardPool - removed;
        for (uint256 i = 0; i < nodeIds.length; i++) {
            epoch.available -= Accounts.reward($, epoch, params, bounds, nodeIds[i], scores[i], standby[i]);
        }
        $.removed = uint128(params.rewardPool - epoch.available);
        next += uint32(nodeIds.length);
        $.nextIndex = next;
        if (next >= $.nodesToReward) $.state = EpochState.ReconcilingEvents;
    }

    /// @inheritdoc IMixnet
    function reconcileEpochEvents(uint32 limit) external {
        _expect(EpochState.ReconcilingEvents);
        Reconciliation.reconcile(limit, MixnetStorage.get().intervalEnds);
    }

    /// @inheritdoc IMixnet
    function advanceEpoch() external {
        Layout storage $ = MixnetStorage.get();
        if (msg.sender != address(rewardedSet)) revert NotRewardedSet();
        _expect(EpochState.RoleAssignment);
        if ($.intervalEnds) Governance.closeInterval();
        Interval memory i = $.interval;
        // Not from now: what an outage left behind is caught up epoch by epoch, each with its rewards.
        i.currentEpochStart += i.epochLength;
        i.totalElapsedEpochs += 1;
        if (i.currentEpochId + 1 == i.epochsInInterval) {
            i.id += 1;
            i.currentEpochId = 0;
        } else {
            i.currentEpochId += 1;
        }
        $.interval = i;
        $.state = EpochState.InProgress;
        emit EpochAdvanced(i.totalElapsedEpochs, i.currentEpochStart);
    }

    /// @inheritdoc IMixnet
    function fundPool(uint64 amount) external nonReentrant {
        if (amount == 0) revert OutOfRange("amount");
        Layout storage $ = MixnetStorage.get();
        $.added = uint128($.added + uint256(amount).ofInt());
        emit PoolFunded(msg.sender, amount);
        _pull(amount);
    }

    // ---- governance

    /// @inheritdoc IMixnet
    /// @dev Of `rewardPool` and `stakingSupply` the largest number stands for what they are when the change comes into force.
    function updateRewardingParams(RewardingParams calldata params, bool force) external byGovernance {
        Governance.updateRewardingParams(params, force || isIntervalOver());
    }

    /// @inheritdoc IMixnet
    function updateActiveSetDistribution(uint32 entryGateways, uint32 exitGateways, uint32 mixnodes, bool force)
        external byGovernance
    {
        Governance.updateActiveSetDistribution(
            RewardedSetParams(entryGateways, exitGateways, mixnodes, 0), force || isEpochOver()
        );
    }

    /// @inheritdoc IMixnet
    function updateIntervalConfig(uint32 epochsInInterval, uint32 epochLength, bool force) external byGovernance {
        Governance.updateIntervalConfig(epochsInInterval, epochLength, force || isIntervalOver());
    }

    /// @inheritdoc IMixnet
    function updateOperatorsParams(OperatorsParams calldata params) external byGovernance {
        Governance.updateOperatorsParams(params);
    }

    // ---- reads

    /// @inheritdoc IMixnet
    function bondingPayload(
        address owner, bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs, uint64 pledge
    ) external view returns (bytes memory) {
        uint32 nonce = MixnetStorage.get().nonces[owner];
        return ownershipProof.payload(owner, nonce, identityKey, host, httpPort, costs, pledge);
    }

    /// @inheritdoc IMixnet
    function signingNonce(address owner) external view returns (uint32) {
        return MixnetStorage.get().nonces[owner];
    }

    /// @inheritdoc IMixnet
    function owed(address owner) external view returns (uint64) {
        return MixnetStorage.get().owed[owner];
    }

    /// @inheritdoc IMixnet
    function interval() external view returns (Interval memory) {
        return MixnetStorage.get().interval;
    }

    /// @inheritdoc IMixnet
    function isEpochOver() public view returns (bool) {
        Interval storage i = MixnetStorage.get().interval;
        return uint256(i.currentEpochStart) + i.epochLength <= block.timestamp;
    }

    /// @inheritdoc IMixnet
    function isIntervalOver() public view returns (bool) {
        Interval storage i = MixnetStorage.get().interval;
        uint256 epochsLeft = i.epochsInInterval - i.currentEpochId;
        return i.currentEpochStart + epochsLeft * i.epochLength <= block.timestamp;
    }

    /// @inheritdoc IMixnet
    function epochState() external view returns (EpochState state, uint32 nextIndex, uint32 nodesToReward) {
        Layout storage $ = MixnetStorage.get();
        return ($.state, $.nextIndex, $.nodesToReward);
    }

    /// @inheritdoc IMixnet
    function rewardingParams() external view returns (RewardingParams memory) {
        return MixnetStorage.get().params;
    }

    /// @inheritdoc IMixnet
    function operatorsParams() external view returns (OperatorsParams memory) {
        return MixnetStorage.get().operators;
    }

    /// @inheritdoc IMixnet
    function poolChange() external view returns (uint128 removed, uint128 added) {
        Layout storage $ = MixnetStorage.get();
        return ($.removed, $.added);
    }

    /// Decimal: tokens that governance has taken out of the pool's number and may put back.
    function unallocated() external view returns (uint128) {
        return MixnetStorage.get().unallocated;
    }

    /// @inheritdoc IMixnet
    function keyRotation() external view returns (uint32 validityEpochs, uint32 initialEpochId) {
        return (keyValidityEpochs, 0);
    }

    /// @inheritdoc IMixnet
    function lastNodeId() external view returns (uint32) {
        return MixnetStorage.get().lastNodeId;
    }

    /// @inheritdoc IMixnet
    function nodeIdOf(address owner) external view returns (uint32) {
        return MixnetStorage.get().nodeIdOf[owner];
    }

    /// @inheritdoc IMixnet
    function nodeIdOfKey(bytes32 identityKey) external view returns (uint32) {
        return MixnetStorage.get().nodeIdOfKey[identityKey];
    }

    /// @inheritdoc IMixnet
    function bondedWord(uint256 word) external view returns (uint256) {
        return MixnetStorage.get().bonded[word];
    }

    /// @inheritdoc IMixnet
    function bondOf(uint32 nodeId) external view returns (Bond memory) {
        Node storage node = MixnetStorage.get().nodes[nodeId];
        return Bond(
            node.owner, node.isUnbonding, node.bondedInEpoch, node.bondedAt, node.originalPledge, node.httpPort,
            node.identityKey, node.host
        );
    }

    /// @inheritdoc IMixnet
    function rewardingOf(uint32 nodeId) external view returns (NodeRewarding memory) {
        Node storage node = MixnetStorage.get().nodes[nodeId];
        return NodeRewarding(
            node.operator, node.delegates, node.totalUnitReward, node.profitMargin, node.intervalOperatingCost,
            node.lastRewardedEpoch, node.uniqueDelegations
        );
    }

    /// @inheritdoc IMixnet
    function delegationOf(uint32 nodeId, address owner) external view returns (Delegation memory) {
        StoredDelegation storage d = MixnetStorage.get().delegations[nodeId][owner];
        return Delegation(d.amount, d.cumulativeRewardRatio, d.since);
    }

    /// Ids of the events that wait for the node; 0: none. Of several changes of its costs, the last.
    function pendingChangesOf(uint32 nodeId) external view returns (uint64 pledgeChange, uint64 costParamsChange) {
        Node storage node = MixnetStorage.get().nodes[nodeId];
        return (node.pledgeChange, node.costParamsChange);
    }

    /// Ids of the last event and of the last that was applied: those between wait.
    function eventQueues() external view returns (Queue memory ofEpochs, Queue memory ofIntervals) {
        Layout storage $ = MixnetStorage.get();
        return ($.epochQueue, $.intervalQueue);
    }

    /// Of one that waits.
    function epochEventOf(uint64 id) external view returns (EpochEvent memory) {
        return MixnetStorage.get().epochEvents[id];
    }

    /// Of one that waits.
    function intervalEventOf(uint64 id) external view returns (IntervalEvent memory) {
        return MixnetStorage.get().intervalEvents[id];
    }

    /// @inheritdoc IMixnet
    function pendingOperatorReward(uint32 nodeId) external view returns (uint128) {
        Node storage node = MixnetStorage.get().nodes[nodeId];
        return node.originalPledge == 0 ? 0 : uint128(Accounts.operatorRewardOf(node));
    }

    /// @inheritdoc IMixnet
    function pendingDelegatorReward(uint32 nodeId, address owner) external view returns (uint128) {
        Layout storage $ = MixnetStorage.get();
        StoredDelegation storage delegation = $.delegations[nodeId][owner];
        return delegation.amount == 0 ? 0 : uint128(Accounts.rewardOf($.nodes[nodeId], delegation));
    }

    /// @inheritdoc IMixnet
    function pendingEvents() external view returns (uint64 epochEvents, uint64 intervalEvents) {
        Layout storage $ = MixnetStorage.get();
        return ($.epochQueue.pending(), $.intervalQueue.pending());
    }

    /// @inheritdoc IMixnet
    function stakesOf(uint32[] calldata nodeIds) external view returns (NodeStake[] memory stakes) {
        Layout storage $ = MixnetStorage.get();
        stakes = new NodeStake[](nodeIds.length);
        uint256 revealsBegan = Late.revealFrom($);
        for (uint256 i = 0; i < nodeIds.length; i++) {
            Node storage node = $.nodes[nodeIds[i]];
            if (node.originalPledge == 0) continue;
            (uint128 operator, uint128 delegates) = Late.weighed(node, revealsBegan);
            stakes[i] = NodeStake(operator, delegates, node.identityKey, !node.isUnbonding, node.bondedAt);
        }
    }

    /// @inheritdoc IMixnet
    function epochWorkFactors() public view returns (uint128 active, uint128 standby) {
        (uint32 actives, uint32 standbys) = rewardedSet.size();
        (uint256 a, uint256 s) = Rewards.workFactors(MixnetStorage.get().params, actives, standbys);
        return (uint128(a), uint128(s));
    }

    // ---- within

    function _duringEpoch() private view {
        if (MixnetStorage.get().state != EpochState.InProgress) revert EpochAdvancementInProgress();
    }

    function _expect(EpochState wanted) private view {
        EpochState state = MixnetStorage.get().state;
        if (state != wanted) revert WrongEpochState(state);
    }

    /// The sender's, bonded and not leaving.
    function _ownNode() private view returns (uint32 nodeId, Node storage node) {
        nodeId = MixnetStorage.get().nodeIdOf[msg.sender];
        node = _bondedNode(nodeId);
    }

    function _bondedNode(uint32 nodeId) private view returns (Node storage node) {
        node = MixnetStorage.get().nodes[nodeId];
        if (node.originalPledge == 0) revert NotBonded();
        if (node.isUnbonding) revert Unbonding();
    }

    function _pull(uint64 amount) private {
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function _pay(uint64 amount) private {
        if (amount > 0) token.safeTransfer(msg.sender, amount);
    }
}
