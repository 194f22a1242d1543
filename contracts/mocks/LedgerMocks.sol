// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Bond, Interval} from "../interfaces/Types.sol";

/// Of the mixnet, what deposits and announcements need. Bonds are given as a test likes them.
contract BondsMock {
    ERC20 public immutable token;
    uint64 public pool;
    mapping(bytes32 => uint32) public nodeIdOfKey;
    mapping(uint32 => Bond) private _bonds;
    Interval private _interval;

    constructor(ERC20 token_) {
        token = token_;
    }

    function setInterval(uint32 epoch, uint64 start, uint32 length) external {
        _interval.totalElapsedEpochs = epoch;
        _interval.currentEpochStart = start;
        _interval.epochLength = length;
    }

    function interval() external view returns (Interval memory) {
        return _interval;
    }

    function set(uint32 nodeId, address owner, bytes32 key) external {
        nodeIdOfKey[_bonds[nodeId].identityKey] = 0;
        _bonds[nodeId].owner = owner;
        _bonds[nodeId].identityKey = key;
        nodeIdOfKey[key] = owner == address(0) ? 0 : nodeId;
    }

    function bondOf(uint32 nodeId) external view returns (Bond memory) {
        return _bonds[nodeId];
    }

    function fundPool(uint64 amount) external {
        pool += amount;
        require(token.transferFrom(msg.sender, address(this), amount));
    }
}

/// A token that calls back, before it has moved anything, whoever it is told to: the worst that a token can do.
contract HostileToken is ERC20 {
    address private _target;
    bytes private _data;
    uint256 public refused;

    constructor() ERC20("hostile", "H") {
        _mint(msg.sender, 1e15);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function onTransfer(address target, bytes calldata data) external {
        _target = target;
        _data = data;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_target != address(0)) {
            (bool done,) = _target.call(_data);
            if (!done) refused++;
        }
        super._update(from, to, value);
    }
}
