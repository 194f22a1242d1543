// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Deposits that buy ticket books, and what gateways get for the tickets they took.
interface IEcashDeposits {
    /// unym a book.
    function price() external view returns (uint64);
    /// Pulls the price by allowance. `identityKey`: Ed25519, of this deposit alone. Ids count from 0.
    function deposit(bytes32 identityKey) external returns (uint32 depositId);
    /// 0 where there is none.
    function depositOf(uint32 depositId) external view returns (bytes32 identityKey);
    function depositCount() external view returns (uint32);

    struct Vote {
        uint64 epochId;
        uint32 index;
        bytes32 signatureR;
        bytes32 signatureS;
    }

    /// Pays the gateway of that identity key, a bonded node, for `count` tickets: price / 50 * gatewayShare each. `votes`: of as many
    /// issuers as their epoch's threshold, strictly ascending by index, over the bytes of docs/spec/issuer.md 9.6.
    function redeem(bytes32 gateway, bytes32 digest, uint32 count, Vote[] calldata votes) external;
    function earned(bytes32 gateway) external view returns (uint64);
    /// To the owner of the gateway's bond, who calls.
    function withdrawEarnings(bytes32 gateway) external returns (uint64 paid);
    /// What no gateway can have any more goes to the mixnet's reward pool; anybody may call.
    function releaseSurplus() external returns (uint64 moved);
    /// Percent of a ticket's price; 0 is the official behaviour.
    function gatewayShare() external view returns (uint64);
    function updatePrice(uint64 price) external; // governance
    function updateGatewayShare(uint64 share) external; // governance

    event DepositedFunds(uint32 indexed depositId, bytes32 indexed identityKey, uint64 amount);
    event TicketsRedeemed(bytes32 indexed gateway, bytes32 digest, uint32 count, uint64 amount);
    event EarningsWithdrawn(bytes32 indexed gateway, address indexed owner, uint64 paid);
    event SurplusReleased(uint64 moved);

    error BadKey();
    error BadPrice();
    error AlreadyRedeemed();
    error NotEnoughVotes(uint32 threshold);
    error BadVote(uint32 index);
    error NotGatewayOwner();
}

/// Who issues, and the bulletin board over which they make their keys.
interface IIssuers {
    struct Issuer {
        address owner;
        bytes32 identityKey;
        /// Of its API, without /v1.
        string url;
    }

    /// The members whose keys are to be made, or were: index 1 is position 0.
    struct Plan {
        uint64 epochId;
        uint32 threshold;
        /// Unix seconds: the board opens, and how long each phase lasts.
        uint64 startsAt;
        uint32 phaseSeconds;
        /// Whether the keys were agreed; then `masterKeyHash` is what `threshold` of them said.
        bool agreed;
        bytes32 masterKeyHash;
        Issuer[] members;
    }

    /// Governance: a new set, for the next epoch. A member of zeroes and no URL is a vacant position.
    function plan(Issuer[] calldata members, uint32 threshold, uint64 startsAt, uint32 phaseSeconds) external returns (uint64 epochId);
    /// A member: what it ended with. Once `threshold` members say the same, it is agreed.
    function confirm(uint64 epochId, bytes32 masterKeyHash) external;
    function updateUrl(string calldata url) external; // a member of the newest plan, once it is agreed
    function planOf(uint64 epochId) external view returns (Plan memory);
    /// The newest that is agreed, and the newest planned; 0 for none. Epochs count from 1.
    function epochs() external view returns (uint64 agreed, uint64 planned);
    /// The newest that was agreed when that epoch was planned; 0 for none. Its members may write on that epoch's board too.
    function agreedBefore(uint64 epochId) external view returns (uint64);
    /// 0 threshold where that epoch is not agreed.
    function issuerOf(uint64 epochId, uint32 index) external view returns (bytes32 identityKey, uint32 threshold);

    /// The board of the newest epoch: members, and those of the agreed one before it; at most 128 KiB a message in parts of at most
    /// 24 KiB, 64 MiB in all, of which each has an equal part. An empty part, not the last, throws away what the sender has begun.
    function append(uint64 epochId, bytes calldata part, bool last) external;
    function begunBy(uint64 epochId, address writer) external view returns (uint32 bytesBegun);
    /// Those that are whole.
    function boardLength(uint64 epochId) external view returns (uint32 entries);

    event Planned(uint64 indexed epochId, uint32 threshold, uint64 startsAt, uint32 phaseSeconds);
    event Agreed(uint64 indexed epochId, bytes32 masterKeyHash);
    /// `entry` counts from 0 and comes with the last part of a message, which is when it stands on the board; before, it is 2^32 - 1.
    /// Parts of a member's message follow each other in order, perhaps between those of another member.
    event Appended(uint64 indexed epochId, uint32 indexed entry, address indexed member, bytes part, bool last);

    event UrlChanged(uint64 indexed epochId, uint32 indexed index, string url);

    error NotGovernance();
    error NotMember();
    error BadPlan(string problem);
    error BadMessage();
    error BoardFull();
    error AlreadyConfirmed();
}
