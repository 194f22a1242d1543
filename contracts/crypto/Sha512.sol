// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// SHA-512 (FIPS 180-4), which no precompile does. Some 54,000 gas a block of 128 bytes.
library Sha512 {
    /// The first and the last 32 bytes of the digest.
    function hash(bytes memory message) internal pure returns (bytes32 left, bytes32 right) {
        // Round constants, eight bytes each.
        bytes memory k =
            hex"428a2f98d728ae227137449123ef65cdb5c0fbcfec4d3b2fe9b5dba58189dbbc3956c25bf348b53859f111f1b605d019923f82a4af194f9bab1c5ed5da6d8118"
            hex"d807aa98a303024212835b0145706fbe243185be4ee4b28c550c7dc3d5ffb4e272be5d74f27b896f80deb1fe3b1696b19bdc06a725c71235c19bf174cf692694"
            hex"e49b69c19ef14ad2efbe4786384f25e30fc19dc68b8cd5b5240ca1cc77ac9c652de92c6f592b02754a7484aa6ea6e4835cb0a9dcbd41fbd476f988da831153b5"
            hex"983e5152ee66dfaba831c66d2db43210b00327c898fb213fbf597fc7beef0ee4c6e00bf33da88fc2d5a79147930aa72506ca6351e003826f142929670a0e6e70"
            hex"27b70a8546d22ffc2e1b21385c26c9264d2c6dfc5ac42aed53380d139d95b3df650a73548baf63de766a0abb3c77b2a881c2c92e47edaee692722c851482353b"
            hex"a2bfe8a14cf10364a81a664bbc423001c24b8b70d0f89791c76c51a30654be30d192e819d6ef5218d69906245565a910f40e35855771202a106aa07032bbd1b8"
            hex"19a4c116b8d2d0c81e376c085141ab532748774cdf8eeb9934b0bcb5e19b48a8391c0cb3c5c95a634ed8aa4ae3418acb5b9cca4f7763e373682e6ff3d6b2b8a3"
            hex"748f82ee5defb2fc78a5636f43172f6084c87814a1f0ab728cc702081a6439ec90befffa23631e28a4506cebde82bde9bef9a3f7b2c67915c67178f2e372532b"
            hex"ca273eceea26619cd186b8c721c0c207eada7dd6cde0eb1ef57d4f7fee6ed17806f067aa72176fba0a637dc5a2c898a6113f9804bef90dae1b710b35131c471b"
            hex"28db77f523047d8432caab7b40c724933c9ebe0a15c9bebc431d67c49c100d4c4cc5d4becb3e42b6597f299cfc657e2a5fcb6fab3ad6faec6c44198c4a475817";

        // Copied behind whatever lies in memory: padded message, then 80 words of schedule. Zeroes are written, for memory may be dirty.
        // Nothing of it is kept: the free pointer does not move, so later calls use the same memory again.
        assembly ("memory-safe") {
            let length := mload(message)
            let padded := mload(0x40)
            let end := add(padded, and(add(length, 144), not(127)))
            for { let at := padded } lt(at, end) { at := add(at, 32) } { mstore(at, 0) }
            mcopy(padded, add(message, 32), length)
            mstore8(add(padded, length), 0x80)
            // Bits, in the last of 16 bytes: lengths beyond 2^64 bits do not fit any block gas limit.
            mstore(sub(end, 32), or(mload(sub(end, 32)), shl(3, length)))

            let twice := 0x10000000000000001 // times a word of 64 bits: the word two times, so that a shift is a rotation
            let low := 0xffffffffffffffff
            let w := end
            k := add(k, 32)

            // The chaining value: four words of 64 bits in each.
            left := 0x6a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54ff53a5f1d36f1
            right := 0x510e527fade682d19b05688c2b3e6c1f1f83d9abfb41bd6b5be0cd19137e2179

            for { let part := padded } lt(part, end) { part := add(part, 128) } {
                for { let i := 0 } lt(i, 16) { i := add(i, 1) } {
                    mstore(add(w, shl(5, i)), shr(192, mload(add(part, shl(3, i)))))
                }
                for { let at := add(w, 512) let last := add(w, 2560) } lt(at, last) { at := add(at, 32) } {
                    // The words 15 and 2 before it.
                    let x := mload(sub(at, 480))
                    let y := mload(sub(at, 64))
                    let xx := mul(x, twice)
                    let yy := mul(y, twice)
                    x := xor(xor(shr(1, xx), shr(8, xx)), shr(7, x))
                    y := xor(xor(shr(19, yy), shr(61, yy)), shr(6, y))
                    // Above the 64 bits rotations leave rubbish, which sums carry only upwards.
                    mstore(at, and(add(add(x, y), add(mload(sub(at, 512)), mload(sub(at, 224)))), low))
                }

                let a := shr(192, left)
                let b := and(shr(128, left), low)
                let c := and(shr(64, left), low)
                let d := and(left, low)
                let e := shr(192, right)
                let f := and(shr(128, right), low)
                let g := and(shr(64, right), low)
                let h := and(right, low)
                for { let i := 0 } lt(i, 80) { i := add(i, 1) } {
                    let xx := mul(e, twice)
                    h :=
                        add(
                            add(add(h, xor(xor(shr(14, xx), shr(18, xx)), shr(41, xx))), xor(g, and(e, xor(f, g)))),
                            add(shr(192, mload(add(k, shl(3, i)))), mload(add(w, shl(5, i))))
                        )
                    xx := mul(a, twice)
                    let sum := add(h, add(xor(xor(shr(28, xx), shr(34, xx)), shr(39, xx)), xor(and(a, xor(b, c)), and(b, c))))
                    let next := and(add(d, h), low)
                    h := g
                    g := f
                    f := e
                    e := next
                    d := c
                    c := b
                    b := a
                    a := and(sum, low)
                }
                a := and(add(a, shr(192, left)), low)
                b := and(add(b, shr(128, left)), low)
                c := and(add(c, shr(64, left)), low)
                d := and(add(d, left), low)
                left := or(or(shl(192, a), shl(128, b)), or(shl(64, c), d))
                e := and(add(e, shr(192, right)), low)
                f := and(add(f, shr(128, right)), low)
                g := and(add(g, shr(64, right)), low)
                h := and(add(h, right), low)
                right := or(or(shl(192, e), shl(128, f)), or(shl(64, g), h))
            }
        }
    }
}
