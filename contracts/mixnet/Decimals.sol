// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The official fixed-point numbers (tokenomics part 1): 18 fractional digits, each product and each quotient floored, in the order in
/// which the formula is written. Values are held in 256 bits on the way, so two of 128 bits never overflow here; what is stored is
/// narrowed with a check.
library Decimals {
    uint256 internal constant ONE = 10 ** 18;

    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            return (a * b) / ONE;
        }
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            return (a * ONE) / b;
        }
    }

    function ofInt(uint256 n) internal pure returns (uint256) {
        return n * ONE;
    }

    function truncate(uint256 a) internal pure returns (uint256) {
        return a / ONE;
    }
}
