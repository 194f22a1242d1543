// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Role} from "./Types.sol";

/// The nodes an epoch rewards, drawn without replacement by the official weights, and the root that commits to the whole topology.
/// A driver computes the draw off the chain and hands it in; the contract checks it against the seed, node by node, in as many calls
/// as it takes. Each driver has an attempt of its own: a wrong one stops nobody. docs/spec/ledger.md, "The draw".
interface IRewardedSet {
    /// `choices`: of the next bonded nodes in ascending order of id, a byte each, of `Role`; mixes are given as Layer1, for layers follow
    /// from the seed. The call that takes the last of them puts the set in force and advances the epoch.
    function draw(bytes calldata choices) external;
    /// Throws the sender's own attempt away.
    function restart() external;
    /// Unix seconds. What is bonded or announced from then on does not count in the next draw: secrets are known, and ids come in the order
    /// of bonding, so whoever bonds could wait for a lucky one. The largest number for an epoch whose reveals began before there was a
    /// set: nobody had monitors then whose secrets could be known, and who founds a network slowly is not late.
    function bondedBefore() external view returns (uint64);
    function attemptOf(address driver) external view returns (uint32 epochId, uint32 nextNodeId);

    /// Of the set in force. Ascending.
    function epochId() external view returns (uint32);
    function nodesOf(Role role) external view returns (uint32[] memory);
    function size() external view returns (uint32 active, uint32 standby);
    /// Ids `from` to `from + limit` of all of them in ascending order, and which are on standby.
    function slice(uint32 from, uint32 limit) external view returns (uint32[] memory nodeIds, bool[] memory standby);
    /// Of the epoch: keccak chain over every bonded node's id, identity key, announcement's leaf and role; 0 where unknown.
    function rootOf(uint32 epochId) external view returns (bytes32);

    /// A call of an attempt, which begins at node 1: which nodes it took, with what they announced up to then.
    event Taken(uint32 indexed epochId, address indexed driver, uint32 from, uint32 nextNodeId);
    event SetDrawn(uint32 indexed epochId, bytes32 root, bytes32 seed);

    error NotDrawing();
    error WrongChoice(uint32 nodeId, uint8 why);
    error WrongCounts(Role role, uint32 wanted, uint32 chosen);
    error NotDrawnByWeight(Role role);
}
