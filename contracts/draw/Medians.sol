// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Sums begin at zero, by the language.
// slither-disable-start uninitialized-local

/// Scores of nodes, 32 in a word, and their weighted medians. A byte is percent plus one, 0 where there is no opinion.
/// docs/spec/ledger.md, "Scores"; the same in src/protocol/economy/medians.ts.
library Medians {
    uint256 internal constant HIGHEST = 101;

    /// Running sums over all nodes, by reporter: how far it was from the medians, and of how many nodes it spoke.
    struct Distances {
        uint256[] sums;
        uint256[] counts;
    }

    /// Whether every byte is at most 101. Two additions for 32 bytes: none carries into its neighbour, for after the first test all
    /// are below 128.
    function isWellFormed(uint256 word) internal pure returns (bool) {
        uint256 highBits = 0x8080808080808080808080808080808080808080808080808080808080808080;
        unchecked {
            return word & highBits == 0
                && (word + 0x1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a) & highBits == 0;
        }
    }

    /// `quorum`: a node has a median where those who spoke of it hold more than half of that. Weights by score go into one bucket each
    /// and are summed from the top: sorting 32 reports for each of 32 nodes would cost several times as much.
    function ofWord(uint256[] memory words, uint256[] memory stakes, uint256 quorum, uint256[] memory buckets, Distances memory distances)
        internal pure returns (uint256 medians)
    {
        uint256 reporters = words.length;
        uint256 anything;
        for (uint256 r = 0; r < reporters; ++r) anything |= words[r];
        for (uint256 shift = 0; shift < 256; shift += 8) {
            if ((anything >> shift) & 0xff == 0) continue;
            uint256 total;
            for (uint256 r = 0; r < reporters; ++r) {
                uint256 score = (words[r] >> shift) & 0xff;
                if (score == 0) continue;
                uint256 stake = stakes[r];
                unchecked {
                    // At most 32 stakes of 64 bits.
                    total += stake;
                    buckets[score] += stake;
                }
            }
            uint256 median = 2 * total > quorum ? _fromTop(buckets, total) : 0;
            for (uint256 r = 0; r < reporters; ++r) {
                uint256 score = (words[r] >> shift) & 0xff;
                if (score == 0) continue;
                buckets[score] = 0;
                if (median == 0) continue;
                unchecked {
                    distances.sums[r] += score > median ? score - median : median - score;
                    ++distances.counts[r];
                }
            }
            medians |= median << shift;
        }
    }

    /// upper: the highest score with at least half of the weight on it or above. lower: the highest with more than half. They differ
    /// where the weight falls into two equal halves; then the median is their mean, half a point upwards, as the official contract rounds.
    function _fromTop(uint256[] memory buckets, uint256 total) private pure returns (uint256) {
        uint256 score = HIGHEST + 1;
        uint256 above;
        unchecked {
            while (2 * above < total) above += buckets[--score];
            uint256 upper = score;
            while (2 * above <= total) above += buckets[--score];
            return (upper + score + 1) / 2;
        }
    }
}
// slither-disable-end uninitialized-local
