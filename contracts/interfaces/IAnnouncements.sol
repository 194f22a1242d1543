// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What each node says of itself: keys and addresses, signed by its identity key. The contract keeps a hash; the data is in the event
/// and with the directories. Only the bond's owner may write, and one account that it names; readers check the signature, over the bytes of
/// docs/spec/announcements.md.
interface IAnnouncements {
    function announce(uint32 nodeId, uint64 sequence, uint8 capabilities, bytes calldata data, bytes calldata signature) external;
    /// The owner: an account that may announce too, so that the key of the pledge need not be where the node runs. 0 for none.
    function setAnnouncer(uint32 nodeId, address announcer) external;
    function announcerOf(uint32 nodeId) external view returns (address);
    /// keccak256(abi.encode(nodeId, sequence, capabilities, keccak256(data), keccak256(signature))); 0 where there is none.
    function leafOf(uint32 nodeId) external view returns (bytes32);
    function capabilitiesOf(uint32 nodeId) external view returns (uint8);
    function sequenceOf(uint32 nodeId) external view returns (uint64);
    function entriesOf(uint32[] calldata nodeIds) external view returns (bytes32[] memory leaves, uint8[] memory capabilities);
    /// The same with capabilities as they stood when the reveals of the running epoch began, so none for a node that had said nothing by
    /// then: who knows the seed must not choose the stage it is drawn in. The same in epochs that are caught up after a standstill. Leaves are as they stand: they bring nobody into the set.
    function entriesForDraw(uint32[] calldata nodeIds) external view returns (bytes32[] memory leaves, uint8[] memory capabilities);

    event Announced(uint32 indexed nodeId, uint64 sequence, uint8 capabilities, bytes data, bytes signature);
    event AnnouncerChanged(uint32 indexed nodeId, address announcer);

    error NotOwner();
    error WrongSequence(uint64 next);
    error DataTooLong();
}
