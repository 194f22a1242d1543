// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMixnet} from "../interfaces/IMixnet.sol";
import {CostParams, EpochState, RewardedSetParams, RewardingParams} from "../interfaces/Types.sol";
import {Accounts} from "./Accounts.sol";
import {Decimals} from "./Decimals.sol";
import {Late} from "./Late.sol";
import {
    EpochEvent, EpochEventKind, IntervalEvent, IntervalEventKind, Layout, MixnetStorage, Node, Queue
} from "./MixnetStorage.sol";
import {Parameters} from "./Parameters.sol";
import {Queues} from "./Queues.sol";

/// The end of an epoch, after its rewards: what waited is applied (tokenomics 5.3). An event was checked when it came; what has become
/// impossible since is dropped or paid back, so that no event can stop those behind it. What falls due is set aside in `owed`: a
/// transfer for each would cost the driver more, and run where nobody asked for it. A library of its own, linked, for the size.
library Reconciliation {
    using Decimals for uint256;
    using Queues for Queue;

    /// At most `limit` events of the epoch, then, if there are none left and the interval is over, of the interval.
    function reconcile(uint256 limit, bool intervalOver) external {
        Layout storage $ = MixnetStorage.get();
        uint256 done = applyEpochEvents($, limit);
        uint256 left = $.epochQueue.pending();
        if (intervalOver) {
            if (left == 0) done += applyIntervalEvents($, limit - done);
            left += $.intervalQueue.pending();
        }
        if (left == 0) $.state = EpochState.RoleAssignment;
        else if (done == 0) revert IMixnet.NothingToDo();
    }

    function applyEpochEvents(Layout storage $, uint256 limit) private returns (uint256 done) {
        uint64 id = $.epochQueue.lastProcessed;
        for (uint64 last = $.epochQueue.last; done < limit && id < last; done++) {
            id += 1;
            EpochEvent memory e = $.epochEvents[id];
            delete $.epochEvents[id];
            // A node that leaves is no candidate any more, and who takes of its own pledge only steps back: both may still be asked for.
            bool isLate = e.kind <= EpochEventKind.PledgeMore && Late.isLateEvent($, id);
            uint256 before = isLate ? Late.stakeOf($.nodes[e.nodeId]) : 0;
            if (e.kind == EpochEventKind.Delegate) delegate($, e);
            else if (e.kind == EpochEventKind.Undelegate) undelegate($, e);
            else if (e.kind == EpochEventKind.PledgeMore) pledgeMore($, e);
            else if (e.kind == EpochEventKind.DecreasePledge) decreasePledge($, e);
            else if (e.kind == EpochEventKind.Unbond) unbond($, e.nodeId);
            else updateActiveSet($, id);
            if (isLate) Late.note($, $.nodes[e.nodeId], before);
        }
        $.epochQueue.lastProcessed = id;
    }

    function applyIntervalEvents(Layout storage $, uint256 limit) private returns (uint256 done) {
        uint64 id = $.intervalQueue.lastProcessed;
        for (uint64 last = $.intervalQueue.last; done < limit && id < last; done++) {
            id += 1;
            IntervalEvent memory e = $.intervalEvents[id];
            delete $.intervalEvents[id];
            if (e.kind == IntervalEventKind.CostParams) changeCosts($, id, e);
            else if (e.kind == IntervalEventKind.IntervalConfig) Parameters.applyInterval($, uint32(e.first), uint32(e.second));
            else updateRewardingParams($, id);
        }
        $.intervalQueue.lastProcessed = id;
    }

    function delegate(Layout storage $, EpochEvent memory e) private {
        Node storage node = $.nodes[e.nodeId];
        if (node.originalPledge == 0 || node.isUnbonding) {
            $.owed[e.owner] += e.amount;
            emit IMixnet.DelegationRefunded(e.nodeId, e.owner, e.amount);
        } else {
            Accounts.delegate($, e.nodeId, e.owner, e.amount);
        }
    }

    function undelegate(Layout storage $, EpochEvent memory e) private {
        // Asked for twice: the second finds nothing.
        if ($.delegations[e.nodeId][e.owner].amount == 0) return;
        $.owed[e.owner] += Accounts.undelegate($, e.nodeId, e.owner);
    }

    function pledgeMore(Layout storage $, EpochEvent memory e) private {
        Node storage node = $.nodes[e.nodeId];
        // The bond is still there: it cannot be unbonded while this waits.
        node.originalPledge += e.amount;
        node.operator = uint128(node.operator + uint256(e.amount).ofInt());
        node.pledgeChange = 0;
        emit IMixnet.PledgeChanged(e.nodeId, node.originalPledge);
    }

    function decreasePledge(Layout storage $, EpochEvent memory e) private {
        Node storage node = $.nodes[e.nodeId];
        node.originalPledge -= e.amount;
        node.operator = uint128(node.operator - uint256(e.amount).ofInt());
        node.pledgeChange = 0;
        $.owed[e.owner] += e.amount;
        emit IMixnet.PledgeChanged(e.nodeId, node.originalPledge);
    }

    function unbond(Layout storage $, uint32 nodeId) private {
        Node storage node = $.nodes[nodeId];
        address owner = node.owner;
        uint64 paid = uint64(uint256(node.operator).truncate());
        delete $.nodeIdOf[owner];
        delete $.nodeIdOfKey[node.identityKey];
        $.bonded[nodeId >> 8] &= ~(uint256(1) << (nodeId & 255));
        if (node.uniqueDelegations == 0) {
            delete $.nodes[nodeId];
        } else {
            node.operator = 0;
            node.originalPledge = 0;
            node.costParamsChange = 0;
            node.owner = address(0);
            node.bondedAt = 0;
            node.bondedInEpoch = 0;
            node.httpPort = 0;
            node.isUnbonding = false;
            node.identityKey = 0;
            node.host = "";
        }
        $.owed[owner] += paid;
        emit IMixnet.Unbonded(nodeId, owner, paid);
    }

    function updateActiveSet(Layout storage $, uint64 id) private {
        RewardedSetParams memory set = $.activeSetChanges[id];
        delete $.activeSetChanges[id];
        // Where the rewarded set has shrunk meanwhile, a change that no longer fits is dropped.
        // slither-disable-next-line unused-return
        Parameters.applyActiveSet($, set);
    }

    function changeCosts(Layout storage $, uint64 id, IntervalEvent memory e) private {
        Node storage node = $.nodes[e.nodeId];
        if (node.originalPledge == 0) return;
        if (node.costParamsChange == id) node.costParamsChange = 0;
        Accounts.setCosts(node, e.nodeId, CostParams(e.first, e.second));
    }

    function updateRewardingParams(Layout storage $, uint64 id) private {
        RewardingParams memory params = $.rewardingParamsChanges[id];
        delete $.rewardingParamsChanges[id];
        // The pool may have paid out since it was asked for.
        if (Parameters.isBacked($, params.rewardPool)) Parameters.applyRewarding($, params);
    }
}
