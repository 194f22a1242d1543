// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Who measures nodes, what they measured, and the public seed of the draw. Monitors stake; they commit to a secret and their report
/// while the epoch runs, and reveal both before it ends, so that none can copy another's report or know the seed before its own part
/// is fixed. Issuers may join for the seed alone. Stakes are never taken. A report holds a score for each node: 0 none, else percent
/// plus 1; 32 in a word, that of node n in byte n % 32 (from the left) of word n / 32.
interface IPerformance {
    struct Participant {
        uint64 stake;
        /// Absolute; 0: has not left. The stake is released the cooling-off behind it.
        uint32 leftInEpoch;
        /// Of an epoch: until then it counts for nothing, for a commitment not revealed or reports far from the others'.
        uint32 excludedUntilEpoch;
        bool measures;
        /// Where its evidence can be read, without path.
        string url;
    }

    function join(uint64 stake, bool measures, string calldata url) external;
    function depart() external;
    function withdrawStake() external returns (uint64 paid);

    /// keccak256(abi.encode(epochId, sender, secret, reportHash, evidenceHash)); reportHash is keccak256 of `abi.encode(words, scores)`.
    function commit(uint32 epochId, bytes32 commitment) external;
    /// `words` strictly ascending, indices of words; `scores` as many words.
    function reveal(
        uint32 epochId, bytes32 secret, bytes32 evidenceHash, uint32[] calldata words, uint256[] calldata scores
    ) external;

    /// Once the epoch is over, anybody: the weighted medians of the next `limit` words; and the seed, at the last of them.
    function settle(uint32 epochId, uint32 limit) external;
    function isSettled(uint32 epochId) external view returns (bool);
    function settlingState() external view returns (uint32 epochId, uint32 nextWord, uint32 words);
    /// Percents, of an epoch that is settled; the newest of at most 24 epochs before it for a node nobody measured; 0 where there is none.
    function scoresOf(uint32 epochId, uint32[] calldata nodeIds) external view returns (uint64[] memory);
    /// Of an epoch that is settled.
    function seedOf(uint32 epochId) external view returns (bytes32);
    /// Unix seconds, of the epoch that runs: commitments until then, reveals from then to its end.
    function revealFrom() external view returns (uint64);
    /// Ascending.
    function participants() external view returns (address[] memory);
    function participantOf(address who) external view returns (Participant memory);
    function reportOf(uint32 epochId, address who, uint32 word) external view returns (uint256);
    function commitmentOf(uint32 epochId, address who) external view returns (bytes32 commitment, bool revealed, bytes32 evidenceHash);

    event Joined(address indexed who, uint64 stake, bool measures, string url);
    event Left(address indexed who, uint32 epochId);
    event StakeWithdrawn(address indexed who, uint64 paid);
    event Committed(uint32 indexed epochId, address indexed who);
    event Revealed(uint32 indexed epochId, address indexed who, bytes32 secret, bytes32 evidenceHash, uint32[] words, uint256[] scores);
    event Excluded(uint32 indexed epochId, address indexed who, uint32 untilEpoch, uint8 reason);
    event Settled(uint32 indexed epochId, bytes32 seed);

    error NotParticipant();
    error AlreadyParticipant();
    error StakeTooSmall(uint64 minimum);
    error TooManyParticipants();
    error WrongEpoch(uint32 current);
    error TooLate();
    error TooEarly();
    error AlreadyCommitted();
    error NoSuchCommitment();
    error BadReport(string problem);
    error StakeLocked(uint32 untilEpoch);
    error AlreadySettled();
}
