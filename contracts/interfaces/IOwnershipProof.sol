// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CostParams} from "./Types.sol";

/// Proof that whoever bonds holds the node's identity key: an Ed25519 signature over the official text of tokenomics 3.1. The text
/// names the owner and its nonce, so that a signature seen on its way to the chain is of no use to another sender, nor a second time;
/// and the chain and the contract that asks, so that it is of none at another deployment.
interface IOwnershipProof {
    /// The exact bytes that are signed: the sender as the owner, an at sign and "eip155:chain id:contract that asks", addresses
    /// as 0x and lower-case hex; a port of 0 as null, `identityKey` in base58.
    function payload(
        address owner, uint32 nonce, bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs,
        uint64 pledge
    ) external view returns (bytes memory);

    /// Whether (r, s) is `identityKey`'s signature over that payload.
    function verify(
        address owner, uint32 nonce, bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs,
        uint64 pledge, bytes32 r, bytes32 s
    ) external view returns (bool);
}
