// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Sums begin at zero, by the language.
// slither-disable-start uninitialized-local

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IMixnet} from "./interfaces/IMixnet.sol";
import {IPerformance} from "./interfaces/IPerformance.sol";
import {Interval} from "./interfaces/Types.sol";
import {Medians} from "./draw/Medians.sol";

/// Scores and the seed. docs/spec/ledger.md, "Scores" and "The seed". Reports and commitments are kept for two epochs and medians for
/// 64, in slots that are written over: what is older is in the events.
contract Performance is IPerformance {
    using SafeERC20 for IERC20;

    /// Each settlement reads every report of a word, and sorts their secrets: this bounds both.
    uint256 public constant MAX_PARTICIPANTS = 32;
    uint32 public constant FALLBACK_EPOCHS = 24;
    uint256 private constant KEPT_MEDIANS = 64;
    /// Who did not commit for so long does not count towards a quorum.
    uint32 private constant ACTIVE_EPOCHS = 24;
    /// Of reports, below which nobody is judged by its distance: of two that disagree, none can say who lies.
    uint256 private constant JUDGING_REPORTS = 3;
    /// 90 days of hours: governance cannot lock stakes for longer.
    uint32 private constant LONGEST_COOLING_OFF = 2160;
    /// unym: a thousandth of all there is. More, and governance could leave the measuring to whom it likes.
    uint64 private constant HIGHEST_MINIMUM_STAKE = 10 ** 12;
    /// Honest reports differ by a few points, for each has packets of its own.
    uint8 private constant LOWEST_TOLERANCE = 5;
    uint256 private constant PERCENT = 1e16;

    uint8 private constant NOT_REVEALED = 1;
    uint8 private constant FAR_FROM_MEDIANS = 2;

    struct Parameters {
        uint64 minimumStake;
        /// Epochs from leaving to the stake. At least `exclusion`: else leaving and joining anew would be the cheaper penalty.
        uint32 coolingOff;
        /// Epochs.
        uint32 exclusion;
        /// Points of a hundred, on mean over the nodes it spoke of.
        uint8 tolerance;
    }

    struct Activity {
        uint32 joinedInEpoch;
        uint32 committedInEpoch;
    }

    struct Commitment {
        bytes32 commitment;
        bytes32 secret;
        bytes32 evidenceHash;
        uint32 epochId;
        bool revealed;
    }

    /// An epoch's committed participants, in order of commitment.
    struct Round {
        uint32 epochId;
        uint32 count;
        bool revealing;
        address[32] committed;
    }

    struct Settlement {
        uint32 epochId;
        uint32 nextWord;
        uint32 words;
        bool open;
        uint128 quorum;
    }

    IERC20 public immutable token;
    IMixnet public immutable mixnet;
    address public immutable governance;
    /// Whether the block's randomness is mixed into each seed: only for chains that have one.
    bool public immutable usesChainRandomness;

    Parameters public parameters;
    bytes32 private _latestSeed;
    Settlement private _settlement;
    address[] private _participants;
    /// Of the settlement that is open, by place in its round: sum << 32 | count, four in a word.
    uint256[8] private _distances;
    Round[2] private _rounds;
    mapping(address who => Participant) private _participantOf;
    mapping(address who => Activity) private _activityOf;
    mapping(address who => mapping(uint256 epochParity => Commitment)) private _commitmentOf;
    mapping(address who => mapping(uint256 epochParity => mapping(uint256 word => uint256))) private _report;
    /// Bit i of entry j: whether the report has word 256j + i. Others' slots hold what an older report said.
    mapping(address who => mapping(uint256 epochParity => mapping(uint256 entry => uint256))) private _reportHas;
    mapping(uint256 epochInRing => mapping(uint256 word => uint256)) private _medians;
    mapping(uint256 epochInRing => uint256 count) private _medianWords;
    mapping(uint32 epochId => bytes32) private _seeds;

    event ParametersChanged(Parameters parameters);
    /// What the chain added to the seed of an epoch.
    event ChainRandomness(uint32 indexed epochId, bytes32 value);

    error NotGovernance();
    error BadParameters();
    error StillExcluded(uint32 untilEpoch);

    constructor(IERC20 token_, IMixnet mixnet_, address governance_, Parameters memory parameters_, bool usesChainRandomness_) {
        token = token_;
        mixnet = mixnet_;
        governance = governance_;
        usesChainRandomness = usesChainRandomness_;
        _setParameters(parameters_);
        // Networks have seeds of their own from the first epoch on.
        _latestSeed = keccak256(abi.encode(block.chainid, address(this)));
    }

    // ---- participants

    function join(uint64 stake, bool measures, string calldata url) external {
        if (_participantOf[msg.sender].stake != 0) revert AlreadyParticipant();
        if (stake == 0 || stake < parameters.minimumStake) revert StakeTooSmall(parameters.minimumStake);
        if (bytes(url).length > 255) revert BadReport("url");
        uint32 epochId = _currentEpoch();
        if (_participants.length == MAX_PARTICIPANTS) _makeRoom(stake, epochId);
        _insert(msg.sender);
        _participantOf[msg.sender] = Participant(stake, 0, 0, measures, url);
        _activityOf[msg.sender] = Activity(epochId, 0);
        emit Joined(msg.sender, stake, measures, url);
        token.safeTransferFrom(msg.sender, address(this), stake);
    }

    function depart() external {
        Participant storage participant = _participantOf[msg.sender];
        if (participant.stake == 0 || participant.leftInEpoch != 0) revert NotParticipant();
        for (uint256 i = 0; i < _participants.length; ++i) {
            if (_participants[i] == msg.sender) return _leave(i, _currentEpoch());
        }
    }

    function withdrawStake() external returns (uint64 paid) {
        Participant storage participant = _participantOf[msg.sender];
        paid = participant.stake;
        if (paid == 0) revert NotParticipant();
        if (participant.leftInEpoch == 0) revert StakeLocked(type(uint32).max);
        uint32 until = participant.leftInEpoch + parameters.coolingOff;
        if (until < participant.excludedUntilEpoch) until = participant.excludedUntilEpoch;
        if (_currentEpoch() < until) revert StakeLocked(until);
        delete _participantOf[msg.sender];
        emit StakeWithdrawn(msg.sender, paid);
        token.safeTransfer(msg.sender, paid);
    }

    /// Weakest is who has the least stake, and who is excluded has none. Equal stakes push nobody out.
    function _makeRoom(uint64 stake, uint32 epochId) private {
        uint256 weakest;
        uint256 least = type(uint256).max;
        for (uint256 i = 0; i < MAX_PARTICIPANTS; ++i) {
            Participant storage participant = _participantOf[_participants[i]];
            uint256 counted = participant.excludedUntilEpoch > epochId ? 0 : participant.stake;
            if (counted < least) (weakest, least) = (i, counted);
        }
        if (stake <= least) revert TooManyParticipants();
        _leave(weakest, epochId);
    }

    /// A commitment of this epoch stays, to be revealed: else a rich newcomer could silence whom it does not like.
    function _leave(uint256 place, uint32 epochId) private {
        address who = _participants[place];
        _participantOf[who].leftInEpoch = epochId == 0 ? 1 : epochId;
        for (uint256 i = place; i + 1 < _participants.length; ++i) _participants[i] = _participants[i + 1];
        _participants.pop();
        emit Left(who, epochId);
    }

    function _insert(address who) private {
        _participants.push(who);
        uint256 i = _participants.length - 1;
        for (; i > 0 && _participants[i - 1] > who; --i) _participants[i] = _participants[i - 1];
        _participants[i] = who;
    }

    // ---- commitments and reports

    function commit(uint32 epochId, bytes32 commitment) external {
        Interval memory interval = _inEpoch(epochId);
        Participant storage participant = _participantOf[msg.sender];
        if (participant.stake == 0 || participant.leftInEpoch != 0) revert NotParticipant();
        // Else those who are pushed out and those who push could together be more in an epoch than its settlement can bear.
        if (_activityOf[msg.sender].joinedInEpoch >= epochId) revert TooEarly();
        if (participant.excludedUntilEpoch > epochId) revert StillExcluded(participant.excludedUntilEpoch);
        if (commitment == 0) revert BadReport("commitment");
        Round storage round = _rounds[epochId & 1];
        if (round.epochId != epochId) {
            (round.epochId, round.count, round.revealing) = (epochId, 0, false);
        }
        // The length of an epoch may be changed while it runs. Nobody may commit once a secret is known.
        if (round.revealing || block.timestamp >= _revealFrom(interval)) revert TooLate();
        Commitment storage mine = _commitmentOf[msg.sender][epochId & 1];
        if (mine.epochId == epochId && mine.commitment != 0) revert AlreadyCommitted();
        (mine.epochId, mine.commitment, mine.revealed) = (epochId, commitment, false);
        round.committed[round.count++] = msg.sender;
        _activityOf[msg.sender].committedInEpoch = epochId;
        emit Committed(epochId, msg.sender);
    }

    function reveal(
        uint32 epochId, bytes32 secret, bytes32 evidenceHash, uint32[] calldata words, uint256[] calldata scores
    ) external {
        Interval memory interval = _inEpoch(epochId);
        if (block.timestamp < _revealFrom(interval)) revert TooEarly();
        if (block.timestamp >= interval.currentEpochStart + interval.epochLength) revert TooLate();
        Commitment storage mine = _commitmentOf[msg.sender][epochId & 1];
        if (mine.epochId != epochId || mine.commitment == 0 || mine.revealed) revert NoSuchCommitment();
        bytes32 reportHash = keccak256(abi.encode(words, scores));
        if (mine.commitment != keccak256(abi.encode(epochId, msg.sender, secret, reportHash, evidenceHash))) revert NoSuchCommitment();
        (mine.revealed, mine.secret, mine.evidenceHash) = (true, secret, evidenceHash);
        _rounds[epochId & 1].revealing = true;
        _store(epochId, words, scores);
        emit Revealed(epochId, msg.sender, secret, evidenceHash, words, scores);
    }

    function _store(uint32 epochId, uint32[] calldata words, uint256[] calldata scores) private {
        if (words.length != scores.length) revert BadReport("lengths");
        if (words.length != 0 && !_participantOf[msg.sender].measures) revert BadReport("does not measure");
        uint256 lastWord = mixnet.lastNodeId() / 32;
        mapping(uint256 => uint256) storage report = _report[msg.sender][epochId & 1];
        mapping(uint256 => uint256) storage has = _reportHas[msg.sender][epochId & 1];
        uint256 next;
        uint256 bits;
        uint256 entry;
        for (uint256 i = 0; i < words.length; ++i) {
            uint256 word = words[i];
            if (word < next) revert BadReport("order");
            if (word > lastWord) revert BadReport("no such node");
            if (!Medians.isWellFormed(scores[i])) revert BadReport("score");
            if (word == 0 && scores[i] >> 248 != 0) revert BadReport("node 0");
            for (; entry < word / 256; ++entry) {
                has[entry] = bits;
                bits = 0;
            }
            bits |= 1 << (word % 256);
            report[word] = scores[i];
            next = word + 1;
        }
        for (; entry <= lastWord / 256; ++entry) {
            has[entry] = bits;
            bits = 0;
        }
    }

    // ---- settlement

    function settle(uint32 epochId, uint32 limit) external {
        _inEpoch(epochId);
        if (!mixnet.isEpochOver()) revert TooEarly();
        if (_seeds[epochId] != 0) revert AlreadySettled();
        Settlement memory settlement = _settlement;
        (uint256[] memory places, address[] memory reporters, uint256[] memory stakes) = _reportersOf(epochId);
        if (!settlement.open) {
            settlement = _begin(epochId, reporters.length);
            for (uint256 i = 0; i < _distances.length; ++i) _distances[i] = 0;
        }
        Medians.Distances memory distances = _loadDistances(places);
        settlement.nextWord = _settleWords(settlement, limit, reporters, stakes, distances);
        if (settlement.nextWord < settlement.words) {
            _storeDistances(places, distances);
            _settlement = settlement;
            return;
        }
        settlement.open = false;
        _settlement = settlement;
        _medianWords[epochId % KEPT_MEDIANS] = settlement.words;
        _judgeDistances(epochId, reporters, distances);
        _drawSeed(epochId);
    }

    /// The quorum is of those who measure, are not excluded and committed lately: who stakes and is idle cannot prevent medians, and who
    /// reports while the others' nodes are down cannot make them alone.
    function _begin(uint32 epochId, uint256 reporters) private view returns (Settlement memory settlement) {
        settlement.epochId = epochId;
        settlement.open = true;
        // Catching up after an outage: no report, nothing to write.
        if (reporters != 0) settlement.words = mixnet.lastNodeId() / 32 + 1;
        uint256 quorum;
        for (uint256 i = 0; i < _participants.length; ++i) {
            address who = _participants[i];
            Participant storage participant = _participantOf[who];
            if (!participant.measures || participant.excludedUntilEpoch > epochId) continue;
            uint32 committed = _activityOf[who].committedInEpoch;
            if (committed != 0 && committed + ACTIVE_EPOCHS >= epochId) quorum += participant.stake;
        }
        Round storage round = _rounds[epochId & 1];
        uint256 count = round.epochId == epochId ? round.count : 0;
        for (uint256 i = 0; i < count; ++i) {
            Participant storage participant = _participantOf[round.committed[i]];
            if (participant.leftInEpoch != 0 && participant.measures) quorum += participant.stake;
        }
        settlement.quorum = uint128(quorum);
    }

    /// Of those who revealed a report: their places in the round, in its order.
    function _reportersOf(uint32 epochId)
        private view returns (uint256[] memory places, address[] memory reporters, uint256[] memory stakes)
    {
        Round storage round = _rounds[epochId & 1];
        uint256 count = round.epochId == epochId ? round.count : 0;
        (places, reporters, stakes) = (new uint256[](count), new address[](count), new uint256[](count));
        uint256 found;
        for (uint256 i = 0; i < count; ++i) {
            address who = round.committed[i];
            Participant storage participant = _participantOf[who];
            if (!participant.measures || !_commitmentOf[who][epochId & 1].revealed) continue;
            (places[found], reporters[found], stakes[found]) = (i, who, participant.stake);
            ++found;
        }
        assembly ("memory-safe") {
            mstore(places, found)
            mstore(reporters, found)
            mstore(stakes, found)
        }
    }

    function _settleWords(
        Settlement memory settlement, uint256 limit, address[] memory reporters, uint256[] memory stakes,
        Medians.Distances memory distances
    ) private returns (uint32) {
        mapping(uint256 => uint256) storage medians = _medians[settlement.epochId % KEPT_MEDIANS];
        uint256[] memory scores = new uint256[](reporters.length);
        uint256[] memory buckets = new uint256[](Medians.HIGHEST + 1);
        uint256 word = settlement.nextWord;
        uint256 end = word + limit;
        if (end > settlement.words) end = settlement.words;
        for (; word < end; ++word) {
            for (uint256 r = 0; r < reporters.length; ++r) scores[r] = _reportWord(reporters[r], settlement.epochId & 1, word);
            medians[word] = Medians.ofWord(scores, stakes, settlement.quorum, buckets, distances);
        }
        return uint32(word);
    }

    function _loadDistances(uint256[] memory places) private view returns (Medians.Distances memory distances) {
        distances = Medians.Distances(new uint256[](places.length), new uint256[](places.length));
        for (uint256 r = 0; r < places.length; ++r) {
            uint256 packed = _distances[places[r] / 4] >> (64 * (places[r] % 4));
            distances.sums[r] = (packed >> 32) & 0xffffffff;
            distances.counts[r] = packed & 0xffffffff;
        }
    }

    function _storeDistances(uint256[] memory places, Medians.Distances memory distances) private {
        uint256[8] memory packed;
        for (uint256 r = 0; r < places.length; ++r) {
            packed[places[r] / 4] |= ((distances.sums[r] << 32) | distances.counts[r]) << (64 * (places[r] % 4));
        }
        _distances = packed;
    }

    function _judgeDistances(uint32 epochId, address[] memory reporters, Medians.Distances memory distances) private {
        uint256 judged;
        for (uint256 r = 0; r < reporters.length; ++r) if (distances.counts[r] != 0) ++judged;
        if (judged < JUDGING_REPORTS) return;
        for (uint256 r = 0; r < reporters.length; ++r) {
            if (distances.sums[r] > distances.counts[r] * parameters.tolerance) _exclude(epochId, reporters[r], FAR_FROM_MEDIANS);
        }
    }

    /// Whoever did not reveal is excluded, where the others that committed hold more than half: else it was the chain or the network that
    /// stood still, and to exclude nearly everybody would leave the next seeds to a few.
    function _drawSeed(uint32 epochId) private {
        Round storage round = _rounds[epochId & 1];
        uint256 count = round.epochId == epochId ? round.count : 0;
        address[] memory ascending = new address[](count);
        uint256 committedStake;
        uint256 revealedStake;
        for (uint256 n = 0; n < count; ++n) {
            address who = round.committed[n];
            uint256 i = n;
            for (; i > 0 && ascending[i - 1] > who; --i) ascending[i] = ascending[i - 1];
            ascending[i] = who;
            uint256 stake = _participantOf[who].stake;
            committedStake += stake;
            if (_commitmentOf[who][epochId & 1].revealed) revealedStake += stake;
        }
        bytes32 seed = keccak256(abi.encode(_latestSeed, epochId));
        for (uint256 i = 0; i < count; ++i) {
            Commitment storage theirs = _commitmentOf[ascending[i]][epochId & 1];
            if (theirs.revealed) seed = keccak256(abi.encode(seed, ascending[i], theirs.secret));
            else if (2 * revealedStake > committedStake) _exclude(epochId, ascending[i], NOT_REVEALED);
        }
        if (usesChainRandomness) {
            seed = keccak256(abi.encode(seed, block.prevrandao));
            emit ChainRandomness(epochId, bytes32(block.prevrandao));
        }
        (_latestSeed, _seeds[epochId]) = (seed, seed);
        emit Settled(epochId, seed);
    }

    function _exclude(uint32 epochId, address who, uint8 reason) private {
        uint32 until = epochId + 1 + parameters.exclusion;
        _participantOf[who].excludedUntilEpoch = until;
        emit Excluded(epochId, who, until, reason);
    }

    // ---- governance

    function updateParameters(Parameters calldata parameters_) external {
        if (msg.sender != governance) revert NotGovernance();
        // Whoever runs the timelock chooses the moment: rules by which reports are judged must not change once these can be seen.
        if (block.timestamp >= _revealFrom(mixnet.interval())) revert TooLate();
        _setParameters(parameters_);
    }

    function _setParameters(Parameters memory parameters_) private {
        (uint32 coolingOff, uint32 exclusion) = (parameters_.coolingOff, parameters_.exclusion);
        (uint64 minimumStake, uint8 tolerance) = (parameters_.minimumStake, parameters_.tolerance);
        // One epoch at least: what a round holds must be there when it is settled, and to withhold a secret must cost something.
        if (
            exclusion == 0 || coolingOff < exclusion || coolingOff > LONGEST_COOLING_OFF || minimumStake == 0
                || minimumStake > HIGHEST_MINIMUM_STAKE || tolerance < LOWEST_TOLERANCE || tolerance > 100
        ) revert BadParameters();
        parameters = parameters_;
        emit ParametersChanged(parameters_);
    }

    // ---- reads

    function isSettled(uint32 epochId) external view returns (bool) {
        return _seeds[epochId] != 0;
    }

    function settlingState() external view returns (uint32 epochId, uint32 nextWord, uint32 words) {
        return (_settlement.epochId, _settlement.nextWord, _settlement.words);
    }

    /// Reverts for epochs whose medians are written over.
    function scoresOf(uint32 epochId, uint32[] calldata nodeIds) external view returns (uint64[] memory scores) {
        uint32 latest = _settlement.epochId;
        if (_seeds[epochId] == 0 || epochId + KEPT_MEDIANS - FALLBACK_EPOCHS <= latest) revert WrongEpoch(latest);
        scores = new uint64[](nodeIds.length);
        uint256 cachedWord = type(uint256).max;
        uint256 cached;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            uint256 word = nodeIds[i] / 32;
            uint256 shift = 248 - 8 * (nodeIds[i] % 32);
            if (word != cachedWord) (cachedWord, cached) = (word, _medianWord(epochId, word));
            uint256 score = (cached >> shift) & 0xff;
            for (uint32 back = 1; score == 0 && back <= FALLBACK_EPOCHS && back <= epochId; ++back) {
                score = (_medianWord(epochId - back, word) >> shift) & 0xff;
            }
            if (score > 1) scores[i] = uint64((score - 1) * PERCENT);
        }
    }

    function _medianWord(uint32 epochId, uint256 word) private view returns (uint256) {
        uint256 place = epochId % KEPT_MEDIANS;
        // Of the last 64 epochs, so nobody else's; words are never fewer than they were, but for epochs without a report, which have none.
        return word < _medianWords[place] ? _medians[place][word] : 0;
    }

    function seedOf(uint32 epochId) external view returns (bytes32) {
        bytes32 seed = _seeds[epochId];
        if (seed == 0) revert WrongEpoch(_currentEpoch());
        return seed;
    }

    /// What the seed of the next settlement is made from: in the first epoch, the network's own.
    function latestSeed() external view returns (bytes32) {
        return _latestSeed;
    }

    function revealFrom() external view returns (uint64) {
        return _revealFrom(mixnet.interval());
    }

    function participants() external view returns (address[] memory) {
        return _participants;
    }

    function participantOf(address who) external view returns (Participant memory) {
        return _participantOf[who];
    }

    /// 0 also where the epoch is not one of the last two with a report of theirs.
    function reportOf(uint32 epochId, address who, uint32 word) external view returns (uint256) {
        Commitment storage theirs = _commitmentOf[who][epochId & 1];
        return theirs.epochId == epochId && theirs.revealed ? _reportWord(who, epochId & 1, word) : 0;
    }

    function _reportWord(address who, uint256 parity, uint256 word) private view returns (uint256) {
        return _reportHas[who][parity][word / 256] & (1 << (word % 256)) == 0 ? 0 : _report[who][parity][word];
    }

    function commitmentOf(uint32 epochId, address who)
        external view returns (bytes32 commitment, bool revealed, bytes32 evidenceHash)
    {
        Commitment storage theirs = _commitmentOf[who][epochId & 1];
        if (theirs.epochId != epochId) return (0, false, 0);
        return (theirs.commitment, theirs.revealed, theirs.revealed ? theirs.evidenceHash : bytes32(0));
    }

    function _currentEpoch() private view returns (uint32) {
        return mixnet.interval().totalElapsedEpochs;
    }

    function _inEpoch(uint32 epochId) private view returns (Interval memory interval) {
        interval = mixnet.interval();
        if (interval.totalElapsedEpochs != epochId) revert WrongEpoch(interval.totalElapsedEpochs);
    }

    function _revealFrom(Interval memory interval) private pure returns (uint64) {
        return interval.currentEpochStart + interval.epochLength - interval.epochLength / 4;
    }
}
// slither-disable-end uninitialized-local
