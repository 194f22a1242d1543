// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOwnershipProof} from "../interfaces/IOwnershipProof.sol";
import {CostParams} from "../interfaces/Types.sol";

/// Says yes, or what it was told to say.
contract OwnershipProofMock is IOwnershipProof {
    bool public answer = true;

    function setAnswer(bool value) external {
        answer = value;
    }

    function payload(
        address owner, uint32 nonce, bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs,
        uint64 pledge
    ) external pure returns (bytes memory) {
        return abi.encode(owner, nonce, identityKey, host, httpPort, costs, pledge);
    }

    function verify(
        address, uint32, bytes32, string calldata, uint16, CostParams calldata, uint64, bytes32, bytes32
    ) external view returns (bool) {
        return answer;
    }
}
