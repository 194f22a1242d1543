// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIssuers} from "./interfaces/IEcash.sol";

/// Who issues tickets, and the board over which they make their keys. docs/spec/ledger.md, "Issuers and their board".
///
/// Governance names members; what it names is of no effect until a threshold of them, more than half, say that they hold one key.
/// The board keeps counts only. What was said is in the events, in their order, at the time of their block.
contract Issuers is IIssuers {
    uint256 public constant MAX_MEMBERS = 100;
    uint256 public constant MAX_URL_BYTES = 255;
    uint32 public constant MAX_PHASE_SECONDS = 30 days;
    /// A plan keeps members from changing their URLs until it is agreed.
    uint32 public constant MAX_AHEAD_SECONDS = 90 days;
    uint256 public constant MAX_PART_BYTES = 24 * 1024;
    uint256 public constant MAX_MESSAGE_BYTES = 128 * 1024;
    uint256 public constant MAX_BOARD_BYTES = 64 * 1024 * 1024;
    /// The number, in events, of what is not whole yet.
    uint32 public constant UNFINISHED = type(uint32).max;

    struct Round {
        uint32 threshold;
        uint64 startsAt;
        uint32 phaseSeconds;
        bool agreed;
        /// What each writer may write: its part of the board, so that none can fill it for the others.
        uint32 quota;
        /// The epoch that was the newest agreed one when this was planned; its members deal, so they may write too.
        uint64 previous;
        uint32 entries;
        bytes32 masterKeyHash;
    }

    struct Writer {
        uint32 written;
        /// Bytes of the message that it has begun.
        uint32 begun;
    }

    address public immutable governance;
    uint64 private _planned;
    uint64 private _agreed;
    mapping(uint64 epochId => Round) private _rounds;
    mapping(uint64 epochId => Issuer[]) private _members;
    mapping(uint64 epochId => mapping(address member => uint32)) private _indices;
    mapping(uint64 epochId => mapping(address member => bool)) private _confirmed;
    mapping(uint64 epochId => mapping(bytes32 masterKeyHash => uint32)) private _confirmations;
    mapping(uint64 epochId => mapping(address writer => Writer)) private _writers;

    constructor(address governance_) {
        governance = governance_;
    }

    /// @inheritdoc IIssuers
    function plan(Issuer[] calldata members, uint32 threshold, uint64 startsAt, uint32 phaseSeconds)
        external
        returns (uint64 epochId)
    {
        if (msg.sender != governance) revert NotGovernance();
        if (members.length == 0 || members.length > MAX_MEMBERS) revert BadPlan("members: not 1 to 100");
        if (startsAt < block.timestamp) revert BadPlan("begins in the past");
        if (startsAt > block.timestamp + MAX_AHEAD_SECONDS) revert BadPlan("begins in more than 90 days");
        if (phaseSeconds == 0 || phaseSeconds > MAX_PHASE_SECONDS) revert BadPlan("phase: not 1 second to 30 days");
        epochId = ++_planned;
        uint32 present = 0;
        for (uint256 i = 0; i < members.length; i++) {
            Issuer calldata member = members[i];
            _members[epochId].push(member);
            // A position that is vacant keeps the numbers of those behind it as they were in the epoch before.
            if (member.owner == address(0) && member.identityKey == 0 && bytes(member.url).length == 0) continue;
            if (member.owner == address(0) || member.identityKey == 0) revert BadPlan("a member without owner or key");
            _checkUrl(member.url);
            if (_indices[epochId][member.owner] != 0) revert BadPlan("an owner is there twice");
            for (uint256 j = 0; j < i; j++) {
                if (members[j].identityKey == member.identityKey) revert BadPlan("a key is there twice");
            }
            _indices[epochId][member.owner] = uint32(i + 1);
            present++;
        }
        // With half of them or fewer, two halves could each agree on a key.
        if (threshold <= present / 2 || threshold > present) revert BadPlan("threshold: not more than half of the members");
        uint256 writers = present + _members[_agreed].length;
        _rounds[epochId] = Round({
            threshold: threshold,
            startsAt: startsAt,
            phaseSeconds: phaseSeconds,
            agreed: false,
            quota: uint32(MAX_BOARD_BYTES / writers),
            previous: _agreed,
            entries: 0,
            masterKeyHash: 0
        });
        emit Planned(epochId, threshold, startsAt, phaseSeconds);
    }

    /// @inheritdoc IIssuers
    function confirm(uint64 epochId, bytes32 masterKeyHash) external {
        Round storage round = _open(epochId);
        if (_indices[epochId][msg.sender] == 0) revert NotMember();
        if (masterKeyHash == 0) revert BadPlan("no key");
        if (_confirmed[epochId][msg.sender]) revert AlreadyConfirmed();
        _confirmed[epochId][msg.sender] = true;
        uint32 confirmations = ++_confirmations[epochId][masterKeyHash];
        if (confirmations != round.threshold) return;
        // More than half said so, and each once: no other hash gets there.
        round.agreed = true;
        round.masterKeyHash = masterKeyHash;
        _agreed = epochId;
        emit Agreed(epochId, masterKeyHash);
    }

    /// @inheritdoc IIssuers
    function updateUrl(string calldata url) external {
        uint64 epochId = _planned;
        uint32 index = _indices[epochId][msg.sender];
        if (index == 0) revert NotMember();
        // URLs are part of what names a session of key making: who changed its own meanwhile would part the others.
        if (!_rounds[epochId].agreed) revert BadPlan("keys are being made");
        _checkUrl(url);
        _members[epochId][index - 1].url = url;
        emit UrlChanged(epochId, index, url);
    }

    /// @inheritdoc IIssuers
    function append(uint64 epochId, bytes calldata part, bool last) external {
        Round storage round = _open(epochId);
        if (_indices[epochId][msg.sender] == 0 && _indices[round.previous][msg.sender] == 0) revert NotMember();
        Writer storage writer = _writers[epochId][msg.sender];
        uint256 begun = part.length == 0 ? 0 : writer.begun + part.length;
        if (part.length > MAX_PART_BYTES || begun > MAX_MESSAGE_BYTES || (last && begun == 0)) revert BadMessage();
        if (writer.written + part.length > round.quota) revert BoardFull();
        writer.written += uint32(part.length);
        writer.begun = last ? 0 : uint32(begun);
        uint32 entry = last ? round.entries++ : UNFINISHED;
        emit Appended(epochId, entry, msg.sender, part, last);
    }

    /// @inheritdoc IIssuers
    function begunBy(uint64 epochId, address writer) external view returns (uint32 bytesBegun) {
        return _writers[epochId][writer].begun;
    }

    /// @inheritdoc IIssuers
    function boardLength(uint64 epochId) external view returns (uint32 entries) {
        return _rounds[epochId].entries;
    }

    /// @inheritdoc IIssuers
    function planOf(uint64 epochId) external view returns (Plan memory) {
        Round storage round = _rounds[epochId];
        return Plan({
            epochId: epochId,
            threshold: round.threshold,
            startsAt: round.startsAt,
            phaseSeconds: round.phaseSeconds,
            agreed: round.agreed,
            masterKeyHash: round.masterKeyHash,
            members: _members[epochId]
        });
    }

    /// @inheritdoc IIssuers
    function epochs() external view returns (uint64 agreed, uint64 planned) {
        return (_agreed, _planned);
    }

    /// @inheritdoc IIssuers
    function agreedBefore(uint64 epochId) external view returns (uint64) {
        return _rounds[epochId].previous;
    }

    /// @inheritdoc IIssuers
    function issuerOf(uint64 epochId, uint32 index) external view returns (bytes32 identityKey, uint32 threshold) {
        Round storage round = _rounds[epochId];
        if (!round.agreed) return (0, 0);
        Issuer[] storage members = _members[epochId];
        if (index > 0 && index <= members.length) identityKey = members[index - 1].identityKey;
        return (identityKey, round.threshold);
    }

    /// The newest plan, once its time has come. An older one is a plan that governance has given up: nothing of it counts any more.
    function _open(uint64 epochId) private view returns (Round storage round) {
        if (epochId == 0 || epochId != _planned) revert BadPlan("not the newest");
        round = _rounds[epochId];
        if (block.timestamp < round.startsAt) revert BadPlan("has not begun");
    }

    function _checkUrl(string calldata url) private pure {
        if (bytes(url).length == 0 || bytes(url).length > MAX_URL_BYTES) revert BadPlan("url: not 1 to 255 bytes");
    }
}
