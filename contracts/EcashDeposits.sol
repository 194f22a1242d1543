// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Ed25519} from "./crypto/Ed25519.sol";
import {IEcashDeposits, IIssuers} from "./interfaces/IEcash.sol";
import {IMixnet} from "./interfaces/IMixnet.sol";

/// Deposits buy books of tickets; gateways are paid for the tickets they took. docs/spec/ledger.md, "Deposits and redemptions".
///
/// Tickets are unlinkable to deposits, so nobody can say which deposit pays for which ticket. Redemptions use up the tickets that were
/// sold first. Each keeps the rate of its day: what governance decides later changes nothing of what was sold before. What is set
/// aside is never more than what came in, and no vote of issuers can pay out more tickets than were bought.
contract EcashDeposits is IEcashDeposits, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint64 public constant TICKETS = 50;
    /// One unym a ticket, as in the official contract; and 10,000 NYM, above which governance might as well stop the sale.
    uint64 public constant MIN_PRICE = TICKETS;
    uint64 public constant MAX_PRICE = 1e10;
    /// Deposits of so long are kept as one lot; from its beginning it stands for gateways for the other time, then goes to the pool.
    /// So a ticket is paid for 90 days at least after its deposit: issuers sign no book for a deposit that is much older than a month.
    uint64 public constant LOT_SECONDS = 30 days;
    uint64 public constant RESERVED_SECONDS = 120 days;
    /// Lots that one call gives up: there is one in 30 days, and one for each change of price or share.
    uint256 private constant MAX_EXPIRED = 64;

    struct Lot {
        /// unym, for the gateway.
        uint64 rate;
        /// Not redeemed yet.
        uint64 tickets;
        uint64 openedAt;
    }

    IERC20 public immutable token;
    IMixnet public immutable mixnet;
    IIssuers public immutable issuers;
    address public immutable governance;

    /// @inheritdoc IEcashDeposits
    uint64 public price;
    /// @inheritdoc IEcashDeposits
    uint64 public gatewayShare;
    /// Sum over the lots of tickets times rate, and over gateways of what they earned.
    uint64 public reserved;
    uint64 public totalEarned;
    /// @inheritdoc IEcashDeposits
    mapping(bytes32 gateway => uint64) public earned;
    /// keccak256(abi.encode(gateway, digest)).
    mapping(bytes32 batch => bool) public isRedeemed;
    Lot[] private _lots;
    /// Lots before it are used up or given up.
    uint256 private _head;
    bytes32[] private _keys;

    event PriceChanged(uint64 price);
    event GatewayShareChanged(uint64 share);

    error NotGovernance();
    error BadShare();
    error EmptyBatch();
    /// More tickets than were bought and not redeemed yet.
    error NotEnoughDeposits();

    modifier onlyGovernance() {
        if (msg.sender != governance) revert NotGovernance();
        _;
    }

    constructor(IERC20 token_, IMixnet mixnet_, IIssuers issuers_, address governance_, uint64 price_, uint64 share) {
        token = token_;
        mixnet = mixnet_;
        issuers = issuers_;
        governance = governance_;
        _setPrice(price_);
        _setShare(share);
    }

    /// @inheritdoc IEcashDeposits
    function deposit(bytes32 identityKey) external nonReentrant returns (uint32 depositId) {
        if (identityKey == 0) revert BadKey();
        uint64 amount = price;
        // Whole unym a ticket, floored; what is set aside is that times 50, not the floor of the whole.
        uint64 rate = amount * gatewayShare / 100 / TICKETS;
        depositId = SafeCast.toUint32(_keys.length);
        _keys.push(identityKey);
        _lotOf(rate).tickets += TICKETS;
        reserved += rate * TICKETS;
        emit DepositedFunds(depositId, identityKey, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IEcashDeposits
    function redeem(bytes32 gateway, bytes32 digest, uint32 count, Vote[] calldata votes) external nonReentrant {
        if (count == 0) revert EmptyBatch();
        if (mixnet.nodeIdOfKey(gateway) == 0) revert BadKey();
        bytes32 batch = keccak256(abi.encode(gateway, digest));
        if (isRedeemed[batch]) revert AlreadyRedeemed();
        _checkVotes(gateway, digest, count, votes);
        isRedeemed[batch] = true;
        uint64 amount = _use(count);
        reserved -= amount;
        totalEarned += amount;
        earned[gateway] += amount;
        emit TicketsRedeemed(gateway, digest, count, amount);
    }

    /// @inheritdoc IEcashDeposits
    function withdrawEarnings(bytes32 gateway) external nonReentrant returns (uint64 paid) {
        uint32 nodeId = mixnet.nodeIdOfKey(gateway);
        if (nodeId == 0 || mixnet.bondOf(nodeId).owner != msg.sender) revert NotGatewayOwner();
        paid = earned[gateway];
        if (paid == 0) return 0;
        earned[gateway] = 0;
        totalEarned -= paid;
        emit EarningsWithdrawn(gateway, msg.sender, paid);
        token.safeTransfer(msg.sender, paid);
    }

    /// @inheritdoc IEcashDeposits
    function releaseSurplus() external nonReentrant returns (uint64 moved) {
        _expire();
        // Whatever is here beyond what is set aside, so also what somebody sent without a deposit.
        moved = SafeCast.toUint64(token.balanceOf(address(this)) - reserved - totalEarned);
        if (moved > 0) {
            emit SurplusReleased(moved);
            token.forceApprove(address(mixnet), moved);
            mixnet.fundPool(moved);
        }
    }

    /// @inheritdoc IEcashDeposits
    function updatePrice(uint64 price_) external onlyGovernance {
        _setPrice(price_);
    }

    /// @inheritdoc IEcashDeposits
    function updateGatewayShare(uint64 share) external onlyGovernance {
        _setShare(share);
    }

    /// @inheritdoc IEcashDeposits
    function depositOf(uint32 depositId) external view returns (bytes32 identityKey) {
        return depositId < _keys.length ? _keys[depositId] : bytes32(0);
    }

    /// @inheritdoc IEcashDeposits
    function depositCount() external view returns (uint32) {
        return uint32(_keys.length);
    }

    /// Lots that may still pay, the oldest first.
    function lots() external view returns (Lot[] memory open) {
        open = new Lot[](_lots.length - _head);
        for (uint256 i = 0; i < open.length; i++) open[i] = _lots[_head + i];
    }

    /// The quorum is that of one epoch, the earliest that a vote names, which must be the newest agreed or the one before it: two
    /// minorities of two epochs do not add up, and keys of issuers that left long ago are worth nothing. An issuer that has moved to a
    /// later epoch meanwhile votes as what it is there, under the same number and key.
    // Functions of IIssuers give two values, of which one is enough at a time.
    // slither-disable-start unused-return
    function _checkVotes(bytes32 gateway, bytes32 digest, uint32 count, Vote[] calldata votes) private view {
        (uint64 newest,) = issuers.epochs();
        uint64 epochId = newest;
        for (uint256 i = 0; i < votes.length; i++) {
            if (votes[i].epochId < epochId) epochId = votes[i].epochId;
        }
        if (epochId != newest && (epochId == 0 || epochId != issuers.agreedBefore(newest))) revert BadVote(votes[0].index);
        (, uint32 threshold) = issuers.issuerOf(epochId, 1);
        if (threshold == 0 || votes.length != threshold) revert NotEnoughVotes(threshold);
        uint32 last = 0;
        for (uint256 i = 0; i < votes.length; i++) {
            Vote calldata vote = votes[i];
            if (vote.index <= last) revert BadVote(vote.index);
            last = vote.index;
            (bytes32 key,) = issuers.issuerOf(epochId, vote.index);
            if (vote.epochId != epochId) {
                (bytes32 laterKey, uint32 laterThreshold) = issuers.issuerOf(vote.epochId, vote.index);
                if (laterThreshold == 0 || laterKey != key) revert BadVote(vote.index);
            }
            bytes memory message = abi.encodePacked(
                "starling-redeem-vote-v2", uint64(block.chainid), address(this), vote.epochId, gateway, digest, count, uint64(vote.index)
            );
            // No key, as of a vacant position, verifies nothing.
            if (!Ed25519.verify(key, message, vote.signatureR, vote.signatureS)) revert BadVote(vote.index);
        }
    }

    // slither-disable-end unused-return

    /// Takes tickets off the lots, the oldest first.
    function _use(uint64 count) private returns (uint64 amount) {
        uint256 head = _head;
        while (count > 0) {
            if (head >= _lots.length) revert NotEnoughDeposits();
            Lot storage lot = _lots[head];
            uint64 taken = count < lot.tickets ? count : lot.tickets;
            lot.tickets -= taken;
            amount += taken * lot.rate;
            count -= taken;
            if (lot.tickets == 0) head++;
        }
        _head = head;
    }

    function _expire() private {
        uint256 head = _head;
        uint256 end = _lots.length - head > MAX_EXPIRED ? head + MAX_EXPIRED : _lots.length;
        uint64 released = 0;
        for (; head < end; head++) {
            Lot storage lot = _lots[head];
            if (block.timestamp < lot.openedAt + RESERVED_SECONDS) break;
            released += lot.tickets * lot.rate;
        }
        _head = head;
        reserved -= released;
    }

    function _lotOf(uint64 rate) private returns (Lot storage lot) {
        uint256 count = _lots.length;
        if (count > _head) {
            lot = _lots[count - 1];
            if (lot.rate == rate && block.timestamp < lot.openedAt + LOT_SECONDS) return lot;
        }
        _lots.push(Lot({rate: rate, tickets: 0, openedAt: uint64(block.timestamp)}));
        return _lots[count];
    }

    function _setPrice(uint64 price_) private {
        if (price_ < MIN_PRICE || price_ > MAX_PRICE) revert BadPrice();
        price = price_;
        emit PriceChanged(price_);
    }

    function _setShare(uint64 share) private {
        if (share > 100) revert BadShare();
        gatewayShare = share;
        emit GatewayShareChanged(share);
    }
}
