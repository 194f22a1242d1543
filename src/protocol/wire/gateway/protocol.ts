/** Versions and fixed numbers of the protocol between a client and its gateway. Format: docs/spec/gateway.md. @module */

/** The newest protocol both sides of this implementation speak. */
export const GATEWAY_PROTOCOL = 6
/** The oldest we register with: AES-256-GCM-SIV keys, salted. Protocols 1 and 2 had keys without authentication. */
export const OLDEST_GATEWAY_PROTOCOL = 3
/** The oldest that can authenticate: earlier ones knew only the replayable `authenticate`. */
export const AUTHENTICATE_V2_PROTOCOL = 4
/** From here on forward requests carry the key rotation (MixPacket v2, binary kind 2). */
export const KEY_ROTATION_PROTOCOL = 5

export const SHARED_KEY_BYTES = 32
export const NONCE_BYTES = 12
export const TAG_BYTES = 16
export const IDENTITY_BYTES = 32
export const SIGNATURE_BYTES = 64

/** How far a login's timestamp may be from the gateway's clock, either way. */
export const MAX_TIMESTAMP_SKEW_SECONDS = 120

/** What `claimFreeTestnetBandwidth` adds: 64 GiB. */
export const FREE_BANDWIDTH_BYTES = 68_719_476_736
/** Clients claim when the balance they know is below this: a fifth of a mixnet-entry ticket. */
export const CLAIM_THRESHOLD_BYTES = 40_000_000
/** What one ticket is worth, by ticket type: mixnet entry, mixnet exit, wireguard entry, wireguard exit. */
export const TICKET_BYTES: readonly number[] = [200_000_000, 100_000_000, 500_000_000, 500_000_000]
/** A ticket's bandwidth lives this many days, counting the one it was spent on. */
export const TICKET_VALIDITY_DAYS = 7

/**
 * What a gateway answers to a registration's proposal: the proposal itself, or our newest. Clients of the generation of
 * sdk 1.4.1 propose 3 (or 4 when logging in) although they understand 5, and only an answer of 5 makes them send
 * the key rotation with their packets: `liftOldClients` answers 5 to them. Never more: 6 would be fatal there.
 */
export function answeredProtocol(proposed: number, liftOldClients = false): number {
  if (proposed > GATEWAY_PROTOCOL) return GATEWAY_PROTOCOL
  const liftable = proposed >= OLDEST_GATEWAY_PROTOCOL && proposed < KEY_ROTATION_PROTOCOL
  return liftOldClients && liftable ? KEY_ROTATION_PROTOCOL : proposed
}
