/** Words of 32 bytes as Solidity's `abi.encode` lays out values of fixed size: what the ledger hashes. @module */
import { expectLength } from '../../foundation/base/bytes.ts'
import { Writer } from '../../foundation/base/writer.ts'

/** Of any length to 32 bytes. The protocol brings no hash of its own: viem's and noble's fit. */
export type Keccak256 = (bytes: Uint8Array) => Uint8Array

/** A whole number from 0, or bytes: 32, or the 20 of an address, which stand at the right. */
export type AbiValue = bigint | number | Uint8Array

export const WORD_BYTES = 32

export function writeWord(writer: Writer, value: AbiValue): void {
  if (value instanceof Uint8Array) {
    const bytes = value.length === 20 ? value : expectLength(value, WORD_BYTES, 'word')
    writer.zeros(WORD_BYTES - bytes.length).bytes(bytes)
    return
  }
  const number = BigInt(value)
  for (let shift = 192n; shift >= 0n; shift -= 64n) writer.u64((number >> shift) & 0xffff_ffff_ffff_ffffn)
}

export function abiWords(...values: readonly AbiValue[]): Uint8Array {
  const writer = new Writer(values.length * WORD_BYTES)
  for (const value of values) writeWord(writer, value)
  return writer.finish()
}

/** Big-endian. */
export function numberOf(bytes: Uint8Array): bigint {
  let number = 0n
  for (const byte of bytes) number = (number << 8n) | BigInt(byte)
  return number
}
