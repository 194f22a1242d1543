// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnnouncements} from "./interfaces/IAnnouncements.sol";
import {IMixnet} from "./interfaces/IMixnet.sol";
import {Bond, Interval} from "./interfaces/Types.sol";

/// What nodes say of themselves: docs/spec/ledger.md, "Announcements". Two slots a node; the text is in the event. The signature is
/// not checked here, at 400,000 gas an announcement: whoever could forge one is the bond's own owner, and readers refuse it.
contract Announcements is IAnnouncements {
    uint256 public constant MAX_DATA_BYTES = 4096;
    uint256 private constant SIGNATURE_BYTES = 64;

    struct Entry {
        bytes32 leaf;
        uint64 sequence;
        uint8 capabilities;
        /// As they were before the changes since reveals began, and when the last of these was: Unix seconds.
        uint8 earlier;
        uint40 changedAt;
    }

    IMixnet public immutable mixnet;
    /// Ids are never given twice, so what a node said stays when it has gone.
    mapping(uint32 nodeId => Entry) private _entries;
    mapping(uint32 nodeId => address) private _announcers;

    constructor(IMixnet mixnet_) {
        mixnet = mixnet_;
    }

    /// @inheritdoc IAnnouncements
    function announce(uint32 nodeId, uint64 sequence, uint8 capabilities, bytes calldata data, bytes calldata signature) external {
        Bond memory bond = mixnet.bondOf(nodeId);
        // Address 0 is the owner of what is not bonded, and the announcer of who has named none. Who is allowed to announce is so while the
        // node is bonded.
        bool isAllowed = bond.owner == msg.sender || _announcers[nodeId] == msg.sender;
        if (bond.owner == address(0) || !isAllowed) revert NotOwner();
        Entry storage entry = _entries[nodeId];
        if (sequence != entry.sequence + 1) revert WrongSequence(entry.sequence + 1);
        if (data.length > MAX_DATA_BYTES || signature.length > SIGNATURE_BYTES) revert DataTooLong();
        if (capabilities != entry.capabilities) {
            if (entry.changedAt < _revealFrom()) entry.earlier = entry.capabilities;
            entry.changedAt = uint40(block.timestamp);
        }
        entry.leaf = keccak256(abi.encode(nodeId, sequence, capabilities, keccak256(data), keccak256(signature)));
        entry.sequence = sequence;
        entry.capabilities = capabilities;
        emit Announced(nodeId, sequence, capabilities, data, signature);
    }

    /// @inheritdoc IAnnouncements
    function setAnnouncer(uint32 nodeId, address announcer) external {
        if (mixnet.bondOf(nodeId).owner != msg.sender) revert NotOwner();
        _announcers[nodeId] = announcer;
        emit AnnouncerChanged(nodeId, announcer);
    }

    /// @inheritdoc IAnnouncements
    function announcerOf(uint32 nodeId) external view returns (address) {
        return _announcers[nodeId];
    }

    /// @inheritdoc IAnnouncements
    function leafOf(uint32 nodeId) external view returns (bytes32) {
        return _entries[nodeId].leaf;
    }

    /// @inheritdoc IAnnouncements
    function capabilitiesOf(uint32 nodeId) external view returns (uint8) {
        return _entries[nodeId].capabilities;
    }

    /// @inheritdoc IAnnouncements
    function sequenceOf(uint32 nodeId) external view returns (uint64) {
        return _entries[nodeId].sequence;
    }

    /// @inheritdoc IAnnouncements
    function entriesOf(uint32[] calldata nodeIds) external view returns (bytes32[] memory leaves, uint8[] memory capabilities) {
        leaves = new bytes32[](nodeIds.length);
        capabilities = new uint8[](nodeIds.length);
        for (uint256 i = 0; i < nodeIds.length; i++) {
            Entry storage entry = _entries[nodeIds[i]];
            leaves[i] = entry.leaf;
            capabilities[i] = entry.capabilities;
        }
    }

    /// @inheritdoc IAnnouncements
    function entriesForDraw(uint32[] calldata nodeIds) external view returns (bytes32[] memory leaves, uint8[] memory capabilities) {
        uint256 from = _revealFrom();
        leaves = new bytes32[](nodeIds.length);
        capabilities = new uint8[](nodeIds.length);
        for (uint256 i = 0; i < nodeIds.length; i++) {
            Entry storage entry = _entries[nodeIds[i]];
            leaves[i] = entry.leaf;
            capabilities[i] = entry.changedAt >= from ? entry.earlier : entry.capabilities;
        }
    }

    /// Of the epoch that runs. What is said later counts in draws whose reveals begin later still: otherwise whoever knows the seed could
    /// choose the stage in which its node would be drawn. By time, for after a standstill the seeds of all epochs that are caught up
    /// are known at once.
    function _revealFrom() private view returns (uint256) {
        Interval memory interval = mixnet.interval();
        return uint256(interval.currentEpochStart) + interval.epochLength - interval.epochLength / 4;
    }
}
