// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// The lots of the draw. docs/spec/ledger.md, "The draw"; the same in src/protocol/economy/draw.ts.
library Keys {
    uint256 private constant ONE = 1e18;

    /// -log2 of `u`/2^128 in steps of 2^-32, upwards: 1 to 2^39, at most one step more than it is. For 1 <= x < 2 and z = (x-1)/(x+1) < 1/3,
    /// log2(x) = 2/ln(2) * (z + z^3/3 + z^5/5 + ...); behind eleven terms less than 2^-39 is missing. Whole numbers only, with 128 bits behind
    /// the point and everything cut downwards, so that every reader finds the same bits, and never more than the logarithm.
    function negativeLog2(uint256 u) internal pure returns (uint256) {
        if (u == 0) u = 1;
        unchecked {
            uint256 whole = Math.log2(u);
            uint256 x = u << (127 - whole);
            uint256 z = ((x - (1 << 127)) << 128) / (x + (1 << 127));
            uint256 z2 = (z * z) >> 128;
            // floor(2^128 * 2/ln(2) / (2k+1)), k from 10 to 0.
            uint256 sum = 0x232c9d8df92921a9db261827b27f79a0;
            sum = 0x26e0783e9a1ffcc93595e4cd8f6478f4 + ((sum * z2) >> 128);
            sum = 0x2b735936e87e1a86872f0ec7a0431dc5 + ((sum * z2) >> 128);
            sum = 0x313e762d299ffbedcc688837937f43e0 + ((sum * z2) >> 128);
            sum = 0x38d1ead1a62ec039c4789d2c6f1cb0c7 + ((sum * z2) >> 128);
            sum = 0x4326a1265008b4a15c8e8b34835073d4 + ((sum * z2) >> 128);
            sum = 0x5212c4f5f00aa3e1aa038db1f5d41bcb + ((sum * z2) >> 128);
            sum = 0x6985d8a9eb7b64fd91724877177e6ce0 + ((sum * z2) >> 128);
            sum = 0x93bb62877cdff3c9653998a6ba7dcba0 + ((sum * z2) >> 128);
            sum = 0xf6384ee1d01feba4fe0aa915e17c5361 + ((sum * z2) >> 128);
            sum = 0x2e2a8eca5705fc2eefa1ffb41a474fa23 + ((sum * z2) >> 128);
            return (128 << 32) - ((whole << 32) | ((sum * z) >> 224));
        }
    }

    /// Exponentially distributed with rate `weight`: the smallest of several is each one's with the chance of its share of the weights,
    /// which is what the official u^(1/weight) does, seen through a logarithm. Weights of nothing come behind all others, and among
    /// themselves by `saturation`: after a day without monitors nobody has a score, and by lot alone a set would be had for the
    /// smallest pledge, many times. Without either in order of `lot`. Nodes with equal keys are in order of their ids, which are the
    /// last 32 bits.
    function keyOf(bytes32 lot, uint256 weight, uint256 saturation, uint32 nodeId) internal pure returns (uint256) {
        unchecked {
            uint256 key = uint256(lot) >> 128;
            if (weight != 0) key = (negativeLog2(key) << 96) / weight;
            else if (saturation != 0) key = (1 << 200) + (negativeLog2(key) << 96) / saturation;
            else key += 1 << 201;
            return (key << 32) | nodeId;
        }
    }

    /// Decimals: saturation * performance^20, floored at each product in the order of tokenomics 1; and saturation alone.
    function weightOf(uint256 stake, uint256 saturationPoint, uint256 performance)
        internal pure returns (uint256 weight, uint256 saturation)
    {
        saturation = stake > saturationPoint ? ONE : stake == 0 ? 0 : stake * ONE / saturationPoint;
        // pow(p, 20): 20 = 16 + 4.
        uint256 p4 = _square(_square(performance));
        uint256 p16 = _square(_square(p4));
        weight = saturation * (p4 * p16 / ONE) / ONE;
    }

    function _square(uint256 x) private pure returns (uint256) {
        return x * x / ONE;
    }

    /// keccak256(abi.encode(a, b, c)) without taking memory: a draw makes thousands of them.
    function hash3(bytes32 a, uint256 b, uint256 c) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(0x00, a)
            mstore(0x20, b)
            mstore(0x40, c)
            hash := keccak256(0x00, 0x60)
            mstore(0x40, free)
        }
    }

    /// The same of five words, in memory behind what is taken, which it leaves free.
    function hash5(bytes32 a, uint256 b, bytes32 c, bytes32 d, uint256 e) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, a)
            mstore(add(at, 0x20), b)
            mstore(add(at, 0x40), c)
            mstore(add(at, 0x60), d)
            mstore(add(at, 0x80), e)
            hash := keccak256(at, 0xa0)
        }
    }
}
