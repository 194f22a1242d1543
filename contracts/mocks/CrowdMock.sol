// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IMixnet} from "../interfaces/IMixnet.sol";
import {CostParams} from "../interfaces/Types.sol";

contract CrowdMember {
    constructor(IERC20 token, IMixnet mixnet) {
        token.approve(address(mixnet), type(uint256).max);
    }

    function bond(IMixnet mixnet, uint64 pledge) external {
        bytes32 key = bytes32(uint256(uint160(address(this))));
        mixnet.bond(key, "127.0.0.1", 8080, CostParams(10 ** 17, 40_000_000), pledge, 0, 0);
    }
}

/// Many operators, or many requests, in one message: a test of a thousand nodes would else take minutes. Needs the tokens.
contract CrowdMock {
    IERC20 private immutable token;
    IMixnet private immutable mixnet;

    constructor(IERC20 token_, IMixnet mixnet_) {
        token = token_;
        mixnet = mixnet_;
        token_.approve(address(mixnet_), type(uint256).max);
    }

    function bond(uint256 count, uint64 pledge) external {
        for (uint256 i = 0; i < count; i++) {
            CrowdMember member = new CrowdMember(token, mixnet);
            require(token.transfer(address(member), pledge));
            member.bond(mixnet, pledge);
        }
    }

    function delegate(uint32 nodeId, uint256 times, uint64 amount) external {
        for (uint256 i = 0; i < times; i++) mixnet.delegate(nodeId, amount);
    }
}
