/** Words of any EVM chain. @module */

/** `0x` and hex. */
export type Hex = `0x${string}`
/** 20 bytes. Compare in lower case: some are checksummed (EIP-55). */
export type Address = `0x${string}`

export interface Block {
  readonly number: number
  readonly hash: Hex
  /** Unix seconds, what contracts call `block.timestamp`. */
  readonly time: number
}
