// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Sha512} from "./Sha512.sol";

/// Verification of Ed25519 signatures (RFC 8032, 5.1.7), for which there is no precompile. Some 200,000 gas with a short message.
///
/// Of what the RFC leaves open, the strict choice everywhere: S below the order of the group, keys and R in their only encoding, keys
/// of small order refused (they "sign" everything), R of small order too, and the equation without the cofactor. It accepts whatever an
/// honest signer makes, and nothing that OpenSSL or libsodium refuse: these are more lenient, in signatures that only the key's own
/// holder can have deformed.
library Ed25519 {
    uint256 private constant P = 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed;
    uint256 private constant L = 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed;
    /// 2^256 mod L.
    uint256 private constant TWO_256 = 0x0ffffffffffffffffffffffffffffffec6ef5bf4737dcf70d6ec31748d98951d;
    uint256 private constant D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3;
    uint256 private constant TWO_D = 0x2406d9dc56dffce7198e80f2eef3d13000e0149a8283b156ebd69b9426b2f159;
    uint256 private constant SQRT_MINUS_1 = 0x2b8324804fc1df0b2b4d00993dfbd7a72f431806ad2fe478c4ee1b274a0ea0b0;
    uint256 private constant SIGN = 1 << 255;
    /// y of the points of order 8 is this or its negative.
    uint256 private constant Y_OF_ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826;

    /// Whether (r, s) is the signature by `key` of `message`; all as they are sent. False, never an error, of whatever is none.
    function verify(bytes32 key, bytes memory message, bytes32 r, bytes32 s) internal view returns (bool) {
        uint256 scalar = _reversed(uint256(s));
        if (scalar >= L) return false;
        (bool valid, uint256 x, uint256 y) = _decompress(key);
        if (!valid) return false;
        uint256 challenge;
        {
            (bytes32 left, bytes32 right) = Sha512.hash(abi.encodePacked(r, key, message));
            challenge = addmod(_reversed(uint256(left)), mulmod(_reversed(uint256(right)), TWO_256, L), L);
        }
        (uint256 rx, uint256 ry, uint256 rz) = _combine(scalar, challenge, P - x, y);
        // The complete addition law never gives z = 0. R is compared as bytes: what is no encoding of a point equals none.
        uint256 inverse = _power(rz, P - 2);
        uint256 sign = mulmod(rx, inverse, P) & 1;
        y = mulmod(ry, inverse, P);
        return !_hasSmallOrder(y) && _reversed(y | (sign << 255)) == uint256(r);
    }

    /// RFC 8032, 5.1.3, and not of small order.
    function _decompress(bytes32 key) private view returns (bool valid, uint256 x, uint256 y) {
        uint256 encoded = _reversed(uint256(key));
        y = encoded & ~SIGN;
        if (y >= P) return (false, 0, 0);
        // x = 0 belongs to y = 1 and y = -1 alone, so it is among these, with either sign.
        if (_hasSmallOrder(y)) return (false, 0, 0);
        uint256 square = mulmod(y, y, P);
        uint256 u = square + (P - 1);
        uint256 v = mulmod(square, D, P) + 1;
        uint256 v3 = mulmod(mulmod(v, v, P), v, P);
        x = mulmod(mulmod(u, v3, P), _power(mulmod(u, mulmod(mulmod(v3, v3, P), v, P), P), (P - 5) / 8), P);
        uint256 check = mulmod(v, mulmod(x, x, P), P);
        if (check != u % P) {
            if (addmod(check, u, P) != 0) return (false, 0, 0);
            x = mulmod(x, SQRT_MINUS_1, P);
        }
        if ((x & 1) != encoded >> 255) x = P - x;
        valid = true;
    }

    /// Of the point with that y: 1 has order 1, -1 order 2, 0 order 4.
    function _hasSmallOrder(uint256 y) private pure returns (bool) {
        return y < 2 || y == P - 1 || y == Y_OF_ORDER_8 || y == P - Y_OF_ORDER_8;
    }

    /// [s]B + [k]Q for Q = (x, y), both scalars below 2^254: two bits of each at a time, out of a table of the sums [i]B + [j]Q.
    /// Coordinates X : Y : Z : T with T = XY/Z; entries of the table hold Y - X, Y + X, 2dT and 2Z (add-2008-hwcd-3, dbl-2008-hwcd of
    /// the explicit-formulas database, complete on this curve). Sums of two reduced numbers fit 256 bits, so few need reducing.
    function _combine(uint256 s, uint256 k, uint256 x, uint256 y) private pure returns (uint256 X, uint256 Y, uint256 Z) {
        assembly ("memory-safe") {
            // Entry i + 4j at 128(i + 4j). Only used here: the free pointer stays.
            let table := mload(0x40)

            function put(at, x1, y1, z1, t1) {
                mstore(at, add(y1, sub(P, x1)))
                mstore(add(at, 32), add(y1, x1))
                mstore(add(at, 64), mulmod(t1, TWO_D, P))
                mstore(add(at, 96), add(z1, z1))
            }
            function plus(x1, y1, z1, t1, at) -> x3, y3, z3, t3 {
                let a := mulmod(add(y1, sub(P, x1)), mload(at), P)
                let b := mulmod(add(y1, x1), mload(add(at, 32)), P)
                let c := mulmod(t1, mload(add(at, 64)), P)
                let d := mulmod(z1, mload(add(at, 96)), P)
                let e := add(b, sub(P, a))
                let f := add(d, sub(P, c))
                let g := add(d, c)
                let h := add(b, a)
                x3 := mulmod(e, f, P)
                y3 := mulmod(g, h, P)
                z3 := mulmod(f, g, P)
                t3 := mulmod(e, h, P)
            }

            mstore(add(table, 128), 0x44fd2f9298f81267a5c18434688f8a09fd399f05d140beb39d103905d740913e)
            mstore(add(table, 160), 0x07cf9d3a33d4ba65270b4898643d42c2cf932dc6fb8c0e192fbc93c6f58c3b85)
            mstore(add(table, 192), 0x6f117b689f0c65a85a1b7dcbdd43598c26d9e823ccaac49eabc91205877aaa68)
            mstore(add(table, 224), 2)
            mstore(add(table, 256), 0x6bb595a669c92555e09e236bb16e37aa8f2b810c4e60acf68a99a56042b4d5a8)
            mstore(add(table, 288), 0x590c063fa87d2e2e5aa69a65e1d607029f469d967a0ff5b59224e7fc933c71d7)
            mstore(add(table, 320), 0x701af5b13ea50b73500fa0840b3d6a3136c16bdd5d9acf7843faa8b3a59b7a5f)
            mstore(add(table, 352), 2)
            mstore(add(table, 384), 0x2ab91587555bda628131f31a214bd6bd3bd353fde5c1ba7d56611fe8a4fcd265)
            mstore(add(table, 416), 0x7a164e1b9a80f8f4c11b50029f016732025a8430e8864b8aaf25b0a84cee9730)
            mstore(add(table, 448), 0x5a2826af12b9b4c6d170e5458cf2db4c589423221c35da6214ae933f0dd0d889)
            mstore(add(table, 480), 2)
            {
                let z := 1
                let t := mulmod(x, y, P)
                let row := add(table, 512)
                put(row, x, y, z, t)
                for { let j := 1 } 1 { j := add(j, 1) } {
                    for { let i := 128 } lt(i, 512) { i := add(i, 128) } {
                        let x3, y3, z3, t3 := plus(x, y, z, t, add(table, i))
                        put(add(row, i), x3, y3, z3, t3)
                    }
                    if eq(j, 3) { break }
                    x, y, z, t := plus(x, y, z, t, add(table, 512))
                    row := add(row, 512)
                    put(row, x, y, z, t)
                }
            }

            Y := 1
            Z := 1
            for { let shift := 254 } shift {} {
                shift := sub(shift, 2)
                let T
                // Doubled twice. The second needs no T of the first.
                {
                    let a := mulmod(X, X, P)
                    let b := mulmod(Y, Y, P)
                    let e := mulmod(add(X, X), Y, P)
                    let g := add(b, sub(P, a))
                    let f := addmod(g, sub(P, mulmod(add(Z, Z), Z, P)), P)
                    X := mulmod(e, f, P)
                    Y := mulmod(g, sub(add(P, P), add(a, b)), P)
                    Z := mulmod(f, g, P)
                }
                {
                    let a := mulmod(X, X, P)
                    let b := mulmod(Y, Y, P)
                    let e := mulmod(add(X, X), Y, P)
                    let g := add(b, sub(P, a))
                    let h := sub(add(P, P), add(a, b))
                    let f := addmod(g, sub(P, mulmod(add(Z, Z), Z, P)), P)
                    X := mulmod(e, f, P)
                    Y := mulmod(g, h, P)
                    Z := mulmod(f, g, P)
                    T := mulmod(e, h, P)
                }
                let at := or(and(shr(shift, s), 3), shl(2, and(shr(shift, k), 3)))
                if at {
                    at := add(table, shl(7, at))
                    // As `plus`, without its T.
                    let a := mulmod(add(Y, sub(P, X)), mload(at), P)
                    let b := mulmod(add(Y, X), mload(add(at, 32)), P)
                    let c := mulmod(T, mload(add(at, 64)), P)
                    let d := mulmod(Z, mload(add(at, 96)), P)
                    let e := add(b, sub(P, a))
                    let f := add(d, sub(P, c))
                    let g := add(d, c)
                    X := mulmod(e, f, P)
                    Y := mulmod(g, add(b, a), P)
                    Z := mulmod(f, g, P)
                }
            }
        }
    }

    /// By the precompile, 1,400 gas.
    function _power(uint256 base, uint256 exponent) private view returns (uint256 result) {
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, 32)
            mstore(add(at, 32), 32)
            mstore(add(at, 64), 32)
            mstore(add(at, 96), base)
            mstore(add(at, 128), exponent)
            mstore(add(at, 160), P)
            // Fails only for want of gas; then there must be no answer at all.
            if iszero(staticcall(gas(), 5, at, 192, 0, 32)) { revert(0, 0) }
            result := mload(0)
        }
    }

    /// Bytes in the other order.
    function _reversed(uint256 v) private pure returns (uint256) {
        v = ((v & 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00) >> 8)
            | ((v & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff) << 8);
        v = ((v & 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000) >> 16)
            | ((v & 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff) << 16);
        v = ((v & 0xffffffff00000000ffffffff00000000ffffffff00000000ffffffff00000000) >> 32)
            | ((v & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff) << 32);
        v = ((v & 0xffffffffffffffff0000000000000000ffffffffffffffff0000000000000000) >> 64)
            | ((v & 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff) << 64);
        return (v >> 128) | (v << 128);
    }
}
