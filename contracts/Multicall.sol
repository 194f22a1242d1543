// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Many reads as one. Holds nothing and owns nothing: it can only look (STATICCALL), so whoever is asked by it loses nothing.
contract Multicall {
    struct Call {
        address target;
        bytes data;
    }

    struct Result {
        bool success;
        bytes data;
    }

    function aggregate(Call[] calldata calls) external view returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            (results[i].success, results[i].data) = calls[i].target.staticcall(calls[i].data);
        }
    }
}
