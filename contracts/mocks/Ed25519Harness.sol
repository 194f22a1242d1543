// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ed25519} from "../crypto/Ed25519.sol";
import {Sha512} from "../crypto/Sha512.sol";

/// The libraries, as something that a test can call.
contract Ed25519Harness {
    function verify(bytes32 key, bytes calldata message, bytes32 r, bytes32 s) external view returns (bool) {
        return Ed25519.verify(key, message, r, s);
    }

    function sha512(bytes calldata message) external pure returns (bytes32 left, bytes32 right) {
        return Sha512.hash(message);
    }

    /// Two in one call, behind memory that is in use: neither may read what the other left.
    function both(bytes calldata one, bytes calldata other) external pure returns (bytes32, bytes32, bytes memory) {
        bytes memory kept = one;
        (bytes32 first,) = Sha512.hash(one);
        (bytes32 second,) = Sha512.hash(other);
        return (first, second, kept);
    }
}
