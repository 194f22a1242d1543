/** The packet type byte that precedes a Sphinx packet in frames. Format: docs/spec/packet.md. @module */

/** A Sphinx packet. 1 (old VPN mode) and 2 (Outfox, withdrawn) are refused everywhere. */
export const PACKET_TYPE_MIX = 0
