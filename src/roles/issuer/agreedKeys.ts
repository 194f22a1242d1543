/** What the issuers agreed on for an epoch, and what one of them holds of it. @module */

export interface AgreedMember {
  /** Of its share, from 1. */
  readonly index: number
  /** Ed25519. */
  readonly identity: Uint8Array
  /** Without /v1. */
  readonly url: string
  /** Its verification key, 680 bytes. */
  readonly key: Uint8Array
}

export interface AgreedKeys {
  readonly epochId: number
  readonly threshold: number
  /** 680 bytes. */
  readonly masterKey: Uint8Array
  /** By index, ascending. */
  readonly members: readonly AgreedMember[]
  readonly own: {
    readonly index: number
    /** 168 bytes. Secret. */
    readonly secretKey: Uint8Array
  }
}
