// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// The lots of the draw. docs/spec/ledger.md, "The draw"; the same in src/protocol/economy/draw.ts.
library Keys {
    uint256 private constant ONE = 1e18;

    /// -log2 of `u`/2^128 in steps of 2^-32, upwards: 1 to 2^39. By squaring: the square of a number of 1 to 2 is 2 or more where the next
    /// bit of its logarithm is 1. Whole numbers only, each product cut at 127 bits, so that every reader finds the same bits.
    function negativeLog2(uint256 u) internal pure returns (uint256) {
        if (u == 0) u = 1;
        uint256 whole = Math.log2(u);
        uint256 x = u << (127 - whole);
        uint256 bits = whole;
        assembly ("memory-safe") {
            function step(a, b) -> c, d {
                a := shr(127, mul(a, a))
                let bit := shr(128, a)
                c := shr(bit, a)
                d := or(shl(1, b), bit)
            }
            for { let i := 0 } lt(i, 4) { i := add(i, 1) } {
                x, bits := step(x, bits)
                x, bits := step(x, bits)
                x, bits := step(x, bits)
                x, bits := step(x, bits)
                x, bits := step(x, bits)
                x, bits := step(x, bits)
                x, bits := step(x, bits)
                x, bits := step(x, bits)
            }
        }
        unchecked {
            return (128 << 32) - bits;
        }
    }

    /// Exponentially distributed with rate `weight`: the smallest of several is each one's with the chance of its share of the weights,
    /// which is what the official u^(1/weight) does, seen through a logarithm. Weights of nothing come behind all others, in order of `lot`.
    /// Nodes with equal keys are in order of their ids, which are the last 32 bits.
    function keyOf(bytes32 lot, uint256 weight, uint32 nodeId) internal pure returns (uint256) {
        unchecked {
            uint256 u = uint256(lot) >> 128;
            uint256 key = weight == 0 ? (1 << 200) + u : (negativeLog2(u) << 96) / weight;
            return (key << 32) | nodeId;
        }
    }

    /// Decimal: saturation * performance^20, floored at each product in the order of tokenomics 1.
    function weightOf(uint256 stake, uint256 saturationPoint, uint256 performance) internal pure returns (uint256) {
        uint256 saturation = stake > saturationPoint ? ONE : stake == 0 ? 0 : stake * ONE / saturationPoint;
        // pow(p, 20): 20 = 16 + 4.
        uint256 p4 = _square(_square(performance));
        uint256 p16 = _square(_square(p4));
        return saturation * (p4 * p16 / ONE) / ONE;
    }

    function _square(uint256 x) private pure returns (uint256) {
        return x * x / ONE;
    }
}
