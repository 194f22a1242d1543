/** The keys of an epoch of issuers, however they were agreed upon: dealt together (`dkg/participant.ts`), or by the ledger later. @module */
import type { Secret } from '../../foundation/base/secret.ts'

export interface AgreedMember {
  /** Of its share, from 1. */
  readonly index: number
  /** Ed25519, 32 bytes. */
  readonly identity: Uint8Array
  /** Without /v1. */
  readonly url: string
  /** Its verification key, 680 bytes. */
  readonly key: Uint8Array
}

export interface AgreedKeys {
  readonly epochId: number
  /** How many shares sign: more than half of the members. */
  readonly threshold: number
  /** 680 bytes. */
  readonly masterKey: Uint8Array
  /** By index, ascending. */
  readonly members: readonly AgreedMember[]
  readonly own: {
    readonly index: number
    /** x ‖ q ‖ y, 168 bytes. */
    readonly secretKey: Secret
  }
}
