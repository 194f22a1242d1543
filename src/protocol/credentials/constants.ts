/** Numbers and names that every party must agree on. Format: docs/spec/credentials.md. @module */
import { utf8 } from '../../foundation/base/bytes.ts'
import { littleEndian, type Scalar } from '../../foundation/crypto/blsScalar.ts'

export const G1_BYTES = 48
export const G2_BYTES = 96

/** L: coins of a ticketbook, with indices 0 to 49. */
export const TICKETS_PER_BOOK = 50
/** D: the days on which a ticketbook can be spent, its expiration date being the last. */
export const VALIDITY_DAYS = 7
export const DAY_SECONDS = 86_400

/** y_0 … y_3: one per attribute, which are sk, v, expiration date and ticket type. */
export const ATTRIBUTES = 4
/** More components than anybody makes: the crate's own dealer has five. */
export const MAX_ATTRIBUTES = 16

/** What stands where a wallet has its last attributes, so that no signature passes for one of another kind. */
export const TYPE_EXPIRATION: Scalar = littleEndian(utf8('ZKNYMEXPIRATIONDATE4llCBMEypAxr3'))
export const TYPE_INDEX: Scalar = littleEndian(utf8('ZKNYMSINDICESh^7gTYbhnap*12n5GG6'))

export const POINT_TAG = 'NYMECASH-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_'
export const SCALAR_TAG = 'NYMECASH-V01-CS02-with-expander-SHA256'

export type TicketType = 'v1-mixnet-entry' | 'v1-mixnet-exit' | 'v1-wireguard-entry' | 'v1-wireguard-exit'

/** By code, which is also the attribute. */
export const TICKET_TYPES: readonly TicketType[] = [
  'v1-mixnet-entry',
  'v1-mixnet-exit',
  'v1-wireguard-entry',
  'v1-wireguard-exit',
]

/** What one ticket of a type is worth, by code. */
export const TICKET_BANDWIDTH_BYTES: readonly number[] = [200_000_000, 100_000_000, 500_000_000, 500_000_000]

export const MAX_U8 = 0xff
export const MAX_U32 = 0xffff_ffff
