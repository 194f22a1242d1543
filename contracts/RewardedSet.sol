// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Sums begin at zero, by the language.
// slither-disable-start uninitialized-local

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IAnnouncements} from "./interfaces/IAnnouncements.sol";
import {IMixnet} from "./interfaces/IMixnet.sol";
import {IPerformance} from "./interfaces/IPerformance.sol";
import {IRewardedSet} from "./interfaces/IRewardedSet.sol";
import {Capabilities, EpochState, NodeStake, RewardedSetParams, RewardingParams, Role} from "./interfaces/Types.sol";
import {Keys} from "./draw/Keys.sol";

/// The draw. docs/spec/ledger.md, "The draw" and "The root"; computed by src/protocol/economy/draw.ts. Nobody has rights here, and
/// nothing can be set: who hands in the right set advances the epoch.
contract RewardedSet is IRewardedSet {
    /// In the order in which they choose: entry, exit, mix, standby.
    uint256 private constant STAGES = 4;
    /// 16 bits each, from the right: role, capabilities. A table, for this is read four times a node.
    uint256 private constant STAGE_TABLE =
        (uint256(uint8(Role.EntryGateway)) << 8 | Capabilities.ENTRY)
        | (uint256(uint8(Role.ExitGateway)) << 8 | Capabilities.EXIT_REQUESTER | Capabilities.EXIT_ROUTER) << 16
        | (uint256(uint8(Role.Layer1)) << 8 | Capabilities.MIX) << 32
        | (uint256(uint8(Role.Standby)) << 8 | 15) << 48;
    uint256 private constant ENTRIES_IN_WORD = 6;
    uint256 private constant ENTRY_BITS = 40;

    // Of WrongChoice.
    uint8 private constant NO_SUCH_NODE = 1;
    uint8 private constant NOT_A_CANDIDATE = 2;
    uint8 private constant NO_SUCH_ROLE = 3;

    /// What an attempt has shown of one stage. Keys hold the node's id in their last 32 bits.
    struct Stage {
        uint256 highestChosen;
        uint256 lowestOther;
        uint32 chosen;
        uint32 candidates;
    }

    /// One driver's way through the nodes.
    struct Attempt {
        /// For which the set is.
        uint32 epochId;
        uint32 nextNodeId;
        uint32 count;
        uint8 bucket;
        /// Of what must not change between two calls.
        bytes32 rules;
        bytes32 root;
        Stage[4] stages;
    }

    struct InForce {
        uint32 epochId;
        uint32 active;
        uint32 standby;
        address driver;
        uint8 bucket;
    }

    /// What a call needs to know, read once.
    struct Draw {
        uint32 endingEpoch;
        bytes32 seed;
        /// Nodes bonded from then on do not take part.
        uint64 bondedBefore;
        uint256 saturationPoint;
        uint256[4] wanted;
        bytes32 rules;
    }

    /// Of one call, what the contracts say of them; same places, same node.
    struct Nodes {
        uint32[] ids;
        NodeStake[] stakes;
        uint64[] scores;
        bytes32[] leaves;
        uint8[] capabilities;
    }

    IMixnet public immutable mixnet;
    IPerformance public immutable performance;
    IAnnouncements public immutable announcements;

    InForce private _inForce;
    /// When the first of the sets came that followed each other up to the one in force: Unix seconds.
    uint256 private _since;
    mapping(address driver => Attempt) private _attempts;
    /// Chosen nodes ascending, six in a word: role << 32 | id, from the right. Two buckets a driver: the set in force is in one of one
    /// driver's, and nobody writes there.
    mapping(address driver => mapping(uint256 bucket => mapping(uint256 word => uint256))) private _entries;
    mapping(uint32 epochId => bytes32) private _roots;

    constructor(IMixnet mixnet_, IPerformance performance_, IAnnouncements announcements_) {
        mixnet = mixnet_;
        performance = performance_;
        announcements = announcements_;
    }

    function draw(bytes calldata choices) external {
        Draw memory rules = _rules();
        Attempt memory attempt = _attempts[msg.sender];
        if (attempt.epochId != rules.endingEpoch + 1 || attempt.rules != rules.rules) attempt = _begin(rules);
        uint32[] memory nodeIds = _nextBonded(attempt.nextNodeId, choices.length);
        if (nodeIds.length < choices.length) revert WrongChoice(0, NO_SUCH_NODE);
        uint32 from = attempt.nextNodeId;
        if (nodeIds.length != 0) _take(rules, attempt, nodeIds, choices);
        emit Taken(attempt.epochId, msg.sender, from, attempt.nextNodeId);
        if (!_isLast(attempt.nextNodeId, rules.bondedBefore)) {
            _checkOrder(rules, attempt);
            _attempts[msg.sender] = attempt;
            return;
        }
        _checkCounts(rules, attempt);
        _checkOrder(rules, attempt);
        _assignLayers(rules.seed, attempt);
        _putInForce(rules, attempt);
    }

    function restart() external {
        delete _attempts[msg.sender];
    }

    // ---- one call

    function _rules() private view returns (Draw memory rules) {
        // Of three values one is enough.
        // slither-disable-next-line unused-return
        (EpochState state,,) = mixnet.epochState();
        if (state != EpochState.RoleAssignment) revert NotDrawing();
        rules.endingEpoch = mixnet.interval().totalElapsedEpochs;
        rules.seed = performance.seedOf(rules.endingEpoch);
        rules.bondedBefore = bondedBefore();
        RewardingParams memory params = mixnet.rewardingParams();
        rules.saturationPoint = params.stakeSaturationPoint;
        RewardedSetParams memory sizes = params.rewardedSet;
        rules.wanted = [uint256(sizes.entryGateways), sizes.exitGateways, sizes.mixnodes, sizes.standby];
        rules.rules = keccak256(abi.encode(rules.seed, rules.bondedBefore, rules.saturationPoint, sizes));
    }

    function _begin(Draw memory rules) private view returns (Attempt memory attempt) {
        attempt.epochId = rules.endingEpoch + 1;
        attempt.nextNodeId = 1;
        attempt.bucket = _inForce.driver == msg.sender ? 1 - _inForce.bucket : 0;
        attempt.rules = rules.rules;
        attempt.root = keccak256(abi.encode(attempt.epochId, rules.seed));
        for (uint256 stage = 0; stage < STAGES; ++stage) attempt.stages[stage].lowestOther = type(uint256).max;
    }

    /// Ids of the next bonded nodes from `nodeId` on: `count` of them, or as many as there are.
    function _nextBonded(uint32 nodeId, uint256 count) private view returns (uint32[] memory nodeIds) {
        nodeIds = new uint32[](count);
        uint256 last = mixnet.lastNodeId();
        uint256 found;
        for (uint256 word = nodeId / 256; found < count && word <= last / 256; ++word) {
            uint256 bits = mixnet.bondedWord(word);
            if (word == nodeId / 256) bits &= type(uint256).max << (nodeId % 256);
            for (; bits != 0 && found < count; ++found) {
                unchecked {
                    nodeIds[found] = uint32(word * 256 + Math.log2(bits & (~bits + 1)));
                    bits &= bits - 1;
                }
            }
        }
        assembly ("memory-safe") {
            mstore(nodeIds, found)
        }
    }

    function _isLast(uint32 nextNodeId, uint64 before) private view returns (bool) {
        uint32[] memory next = _nextBonded(nextNodeId, 1);
        return next.length == 0 || mixnet.stakesOf(next)[0].bondedAt >= before;
    }

    function _take(Draw memory rules, Attempt memory attempt, uint32[] memory nodeIds, bytes calldata choices) private {
        Nodes memory nodes;
        nodes.ids = nodeIds;
        nodes.stakes = mixnet.stakesOf(nodeIds);
        nodes.scores = performance.scoresOf(rules.endingEpoch, nodeIds);
        // Whoever announces once secrets are known could choose the stage in which its node competes.
        (nodes.leaves, nodes.capabilities) = rules.bondedBefore == type(uint64).max
            ? announcements.entriesOf(nodeIds)
            : announcements.entriesForDraw(nodeIds);
        for (uint256 i = 0; i < nodeIds.length; ++i) _takeOne(rules, attempt, nodes, i, uint8(choices[i]));
        _append(attempt, nodeIds, choices);
        attempt.nextNodeId = nodeIds[nodeIds.length - 1] + 1;
    }

    function _takeOne(Draw memory rules, Attempt memory attempt, Nodes memory nodes, uint256 i, uint256 role) private pure {
        uint32 nodeId = nodes.ids[i];
        NodeStake memory stake = nodes.stakes[i];
        bytes32 leaf = nodes.leaves[i];
        if (stake.bondedAt >= rules.bondedBefore) revert WrongChoice(nodeId, NO_SUCH_NODE);
        attempt.root = Keys.hash5(attempt.root, nodeId, stake.identityKey, leaf, role);
        uint256 able = stake.eligible && leaf != 0 ? nodes.capabilities[i] & 15 : 0;
        if (able == 0) {
            if (role != uint256(Role.None)) revert WrongChoice(nodeId, NOT_A_CANDIDATE);
            return;
        }
        (uint256 weight, uint256 saturation) =
            Keys.weightOf(uint256(stake.operator) + stake.delegates, rules.saturationPoint, nodes.scores[i]);
        _compete(rules.seed, attempt, nodeId, weight, saturation, able, role);
    }

    function _append(Attempt memory attempt, uint32[] memory nodeIds, bytes calldata choices) private {
        mapping(uint256 => uint256) storage entries = _entries[msg.sender][attempt.bucket];
        uint256 count = attempt.count;
        uint256 word = count % ENTRIES_IN_WORD == 0 ? 0 : entries[count / ENTRIES_IN_WORD];
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            uint256 role = uint8(choices[i]);
            if (role == uint256(Role.None)) continue;
            word |= ((role << 32) | nodeIds[i]) << (ENTRY_BITS * (count % ENTRIES_IN_WORD));
            if (++count % ENTRIES_IN_WORD == 0) {
                entries[count / ENTRIES_IN_WORD - 1] = word;
                word = 0;
            }
        }
        if (word != 0) entries[count / ENTRIES_IN_WORD] = word;
        attempt.count = uint32(count);
    }

    /// Takes the node through the stages until one has chosen it.
    function _compete(
        bytes32 seed, Attempt memory attempt, uint32 nodeId, uint256 weight, uint256 saturation, uint256 able, uint256 role
    ) private pure {
        unchecked {
            for (uint256 i = 0; i < STAGES; ++i) {
                (uint256 stageRole, uint256 needed) = _stage(i);
                if (able & needed == 0) continue;
                uint256 key = Keys.keyOf(Keys.hash3(seed, stageRole, nodeId), weight, saturation, nodeId);
                Stage memory stage = attempt.stages[i];
                ++stage.candidates;
                if (role == stageRole) {
                    ++stage.chosen;
                    if (key > stage.highestChosen) stage.highestChosen = key;
                    return;
                }
                if (key < stage.lowestOther) stage.lowestOther = key;
            }
        }
        if (role == uint256(Role.None)) return;
        bool known = role == uint256(Role.EntryGateway) || role == uint256(Role.ExitGateway) || role == uint256(Role.Layer1);
        revert WrongChoice(nodeId, known ? NOT_A_CANDIDATE : NO_SUCH_ROLE);
    }

    /// Its role, and the capabilities of which a candidate needs one.
    function _stage(uint256 stage) private pure returns (uint256 role, uint256 needed) {
        uint256 packed = STAGE_TABLE >> (16 * stage);
        return ((packed >> 8) & 0xff, packed & 0xff);
    }

    // ---- the end of an attempt

    /// Also between calls, so that a wrong call reverts by itself and does not spoil those before it.
    function _checkOrder(Draw memory rules, Attempt memory attempt) private pure {
        for (uint256 i = 0; i < STAGES; ++i) {
            Stage memory stage = attempt.stages[i];
            (uint256 role,) = _stage(i);
            if (stage.chosen > rules.wanted[i]) revert WrongCounts(Role(role), uint32(rules.wanted[i]), stage.chosen);
            if (stage.highestChosen > stage.lowestOther) revert NotDrawnByWeight(Role(role));
        }
    }

    function _checkCounts(Draw memory rules, Attempt memory attempt) private pure {
        for (uint256 i = 0; i < STAGES; ++i) {
            Stage memory stage = attempt.stages[i];
            uint256 wanted = Math.min(rules.wanted[i], stage.candidates);
            (uint256 role,) = _stage(i);
            if (stage.chosen != wanted) revert WrongCounts(Role(role), uint32(wanted), stage.chosen);
        }
    }

    /// Mixes in order of a hash of their own; the i-th goes to layer i mod 3.
    function _assignLayers(bytes32 seed, Attempt memory attempt) private {
        mapping(uint256 => uint256) storage entries = _entries[msg.sender][attempt.bucket];
        uint256 words = (attempt.count + ENTRIES_IN_WORD - 1) / ENTRIES_IN_WORD;
        uint256[] memory packed = new uint256[](words);
        uint256[] memory order = new uint256[](attempt.stages[2].chosen);
        uint256 mixes;
        for (uint256 place = 0; place < attempt.count; ++place) {
            if (place % ENTRIES_IN_WORD == 0) packed[place / ENTRIES_IN_WORD] = entries[place / ENTRIES_IN_WORD];
            uint256 entry = packed[place / ENTRIES_IN_WORD] >> (ENTRY_BITS * (place % ENTRIES_IN_WORD));
            if ((entry >> 32) & 0xff != uint256(Role.Layer1)) continue;
            bytes32 lot = Keys.hash3(seed, uint256(bytes32("layer")), uint32(entry));
            // 224 bits of a hash; the rest says where the mix is.
            order[mixes++] = (uint256(lot) >> 32 << 32) | place;
        }
        // In place.
        // slither-disable-next-line unused-return
        Arrays.sort(order);
        for (uint256 i = 0; i < mixes; ++i) {
            uint256 place = uint32(order[i]);
            packed[place / ENTRIES_IN_WORD] += (i % 3) << (ENTRY_BITS * (place % ENTRIES_IN_WORD) + 32);
        }
        for (uint256 word = 0; word < words; ++word) entries[word] = packed[word];
    }

    function _putInForce(Draw memory rules, Attempt memory attempt) private {
        uint32 standby = attempt.stages[3].chosen;
        if (_inForce.active == 0) _since = block.timestamp;
        _inForce = InForce(attempt.epochId, attempt.count - standby, standby, msg.sender, attempt.bucket);
        _roots[attempt.epochId] = attempt.root;
        delete _attempts[msg.sender];
        emit SetDrawn(attempt.epochId, attempt.root, rules.seed);
        mixnet.advanceEpoch();
    }

    // ---- reads

    function attemptOf(address driver) external view returns (uint32 epochId_, uint32 nextNodeId) {
        Attempt storage attempt = _attempts[driver];
        return (attempt.epochId, attempt.nextNodeId);
    }

    /// @inheritdoc IRewardedSet
    function bondedBefore() public view returns (uint64 from) {
        from = performance.revealFrom();
        if (_inForce.active == 0 || from <= _since) from = type(uint64).max;
    }

    function epochId() external view returns (uint32) {
        return _inForce.epochId;
    }

    function size() external view returns (uint32 active, uint32 standby) {
        return (_inForce.active, _inForce.standby);
    }

    function slice(uint32 from, uint32 limit) external view returns (uint32[] memory nodeIds, bool[] memory standby) {
        InForce memory inForce = _inForce;
        uint256 end = inForce.active + inForce.standby;
        if (uint256(from) + limit < end) end = uint256(from) + limit;
        uint256 length = end > from ? end - from : 0;
        (nodeIds, standby) = (new uint32[](length), new bool[](length));
        mapping(uint256 => uint256) storage entries = _entries[inForce.driver][inForce.bucket];
        uint256 word;
        for (uint256 i = 0; i < length; ++i) {
            uint256 place = from + i;
            if (i == 0 || place % ENTRIES_IN_WORD == 0) word = entries[place / ENTRIES_IN_WORD];
            uint256 entry = word >> (ENTRY_BITS * (place % ENTRIES_IN_WORD));
            nodeIds[i] = uint32(entry);
            standby[i] = uint8(entry >> 32) == uint8(Role.Standby);
        }
    }

    function nodesOf(Role role) external view returns (uint32[] memory nodeIds) {
        InForce memory inForce = _inForce;
        uint256 count = inForce.active + inForce.standby;
        nodeIds = new uint32[](count);
        uint256 found;
        for (uint256 place = 0; place < count; ++place) {
            uint256 word = _entries[inForce.driver][inForce.bucket][place / ENTRIES_IN_WORD];
            uint256 entry = word >> (ENTRY_BITS * (place % ENTRIES_IN_WORD));
            if (uint8(entry >> 32) == uint8(role)) nodeIds[found++] = uint32(entry);
        }
        assembly ("memory-safe") {
            mstore(nodeIds, found)
        }
    }

    function rootOf(uint32 epochId_) external view returns (bytes32) {
        return _roots[epochId_];
    }
}
// slither-disable-end uninitialized-local
