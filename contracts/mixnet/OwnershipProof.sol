// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Ed25519} from "../crypto/Ed25519.sol";
import {IOwnershipProof} from "../interfaces/IOwnershipProof.sol";
import {CostParams} from "../interfaces/Types.sol";

/// A contract of its own, without state or owner: the mixnet's has no room left. It answers for the mixnet that asks, whose address
/// is part of the text. docs/spec/ledger.md, "Ownership".
contract OwnershipProof is IOwnershipProof {
    uint256 private constant ONE = 1e18;
    bytes private constant ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

    /// Of hosts: names and addresses are ASCII. What JSON would escape is refused, so that there is one text to sign and no way to
    /// smuggle another field into it.
    error BadHost();

    /// @inheritdoc IOwnershipProof
    function payload(
        address owner, uint32 nonce, bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs,
        uint64 pledge
    ) external view returns (bytes memory) {
        return _payload(owner, nonce, identityKey, host, httpPort, costs, pledge);
    }

    /// @inheritdoc IOwnershipProof
    function verify(
        address owner, uint32 nonce, bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs,
        uint64 pledge, bytes32 r, bytes32 s
    ) external view returns (bool) {
        return Ed25519.verify(identityKey, _payload(owner, nonce, identityKey, host, httpPort, costs, pledge), r, s);
    }

    function _payload(
        address owner, uint32 nonce, bytes32 identityKey, string calldata host, uint16 httpPort, CostParams calldata costs,
        uint64 pledge
    ) private view returns (bytes memory) {
        _checkHost(bytes(host));
        bytes memory head = abi.encodePacked(
            '{"nonce":', Strings.toString(nonce),
            ',"algorithm":"ed25519","message_type":"nym-node-bonding","content":{"sender":"', Strings.toHexString(owner), "@eip155:",
            Strings.toString(block.chainid), ":", Strings.toHexString(msg.sender),
            '","funds":[{"denom":"unym","amount":"', Strings.toString(pledge),
            '"}],"data":{"nym_node":{"host":"', host
        );
        return abi.encodePacked(
            head,
            '","custom_http_port":', httpPort == 0 ? "null" : Strings.toString(httpPort),
            ',"identity_key":"', _base58(identityKey),
            '"},"cost_params":{"profit_margin_percent":"', _decimal(costs.profitMargin),
            '","interval_operating_cost":{"denom":"unym","amount":"', Strings.toString(costs.intervalOperatingCost), '"}}}}}'
        );
    }

    function _checkHost(bytes calldata host) private pure {
        for (uint256 i = 0; i < host.length; i++) {
            bytes1 letter = host[i];
            if (letter <= 0x20 || letter >= 0x7f || letter == '"' || letter == "\\") revert BadHost();
        }
    }

    /// Bitcoin's alphabet; a 1 for each zero byte in front.
    function _base58(bytes32 key) private pure returns (bytes memory text) {
        uint256 zeros = 0;
        while (zeros < 32 && key[zeros] == 0) zeros++;
        uint256 digits = 0;
        for (uint256 rest = uint256(key); rest > 0; rest /= 58) digits++;
        text = new bytes(zeros + digits);
        for (uint256 i = 0; i < zeros; i++) text[i] = "1";
        uint256 value = uint256(key);
        for (uint256 i = text.length; i > zeros; i--) {
            text[i - 1] = ALPHABET[value % 58];
            value /= 58;
        }
    }

    /// As the official Decimal is written: without an exponent, zeros at the end, or a dot where there is no fraction.
    function _decimal(uint64 raw) private pure returns (bytes memory) {
        uint256 fraction = raw % ONE;
        bytes memory whole = bytes(Strings.toString(raw / ONE));
        if (fraction == 0) return whole;
        uint256 length = 18;
        for (; fraction % 10 == 0; fraction /= 10) length--;
        bytes memory digits = new bytes(length);
        for (uint256 i = length; i > 0; i--) {
            digits[i - 1] = bytes1(uint8(48 + fraction % 10));
            fraction /= 10;
        }
        return abi.encodePacked(whole, ".", digits);
    }
}
