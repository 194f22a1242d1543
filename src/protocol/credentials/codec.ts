/**
 * The binary form called B: bincode, big-endian, varint integers, no trailing bytes, in which every point and scalar is a byte
 * string with its length in front. Only the shortest form of an integer is read: the official decoder takes longer ones too, but
 * nobody writes them, and one value with one encoding cannot be resent as something new. @module
 */
import { malformed } from '../../foundation/base/errors.ts'
import { type Bounds, Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { G1, G2, Group } from '../../foundation/crypto/bls.ts'
import { SCALAR_BYTES, type Scalar, scalarFromBytes, scalarToBytes } from '../../foundation/crypto/blsScalar.ts'
import { G1_BYTES, G2_BYTES, MAX_U32 } from './constants.ts'
import type { Scheme } from './scheme.ts'

const U16_MARK = 0xfb
const U32_MARK = 0xfc
const U64_MARK = 0xfd
const MAX_ONE_BYTE = 250n
const MAX_U16 = 0xffffn

/** What stands for a point or a scalar until its neighbours were seen to be there: opening a point costs a hundred times that. */
export type Raw = Uint8Array

export class CodecReader {
  readonly #reader: Reader

  constructor(bytes: Uint8Array, what: string) {
    this.#reader = new Reader(bytes, what)
  }

  u8(field: string, bounds?: Bounds): number {
    return this.#reader.u8(field, bounds)
  }

  u64(field: string): bigint {
    const first = this.#reader.u8(field)
    if (first <= Number(MAX_ONE_BYTE)) return BigInt(first)
    const [value, least] =
      first === U16_MARK
        ? [BigInt(this.#reader.u16(field)), MAX_ONE_BYTE]
        : first === U32_MARK
          ? [BigInt(this.#reader.u32(field)), MAX_U16]
          : first === U64_MARK
            ? [this.#reader.u64(field), BigInt(MAX_U32)]
            : this.refuse(field, 'not a varint of at most 64 bits')
    return value > least ? value : this.refuse(field, 'not in its shortest form')
  }

  upTo(max: number, field: string): number {
    const value = this.u64(field)
    return value <= BigInt(max) ? Number(value) : this.refuse(field, `above ${max}`)
  }

  /** Zig-zag. */
  i32(field: string): number {
    const folded = this.upTo(MAX_U32, field)
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2
  }

  list<T>(max: number, field: string, read: (field: string) => T): T[] {
    const count = this.upTo(max, field)
    return Array.from({ length: count }, (_, i) => read(`${field}[${i}]`))
  }

  g1(field: string): Raw {
    return this.byteString(G1_BYTES, field)
  }

  g2(field: string): Raw {
    return this.byteString(G2_BYTES, field)
  }

  scalar(field: string): Scalar {
    const bytes = this.byteString(SCALAR_BYTES, field)
    return scalarFromBytes(bytes) ?? this.refuse(field, 'not below the group order')
  }

  /** One of exactly `length` bytes. */
  byteString(length: number, field: string): Uint8Array {
    this.#reader.u8(field, { min: length, max: length })
    return this.#reader.bytes(length, field)
  }

  expectEnd(): void {
    this.#reader.expectEnd()
  }

  refuse(field: string, why: string): never {
    this.#reader.refuse(field, why)
  }
}

export class CodecWriter {
  readonly #writer: Writer
  readonly #scheme: Scheme

  constructor(scheme: Scheme, capacity?: number) {
    this.#scheme = scheme
    this.#writer = new Writer(capacity)
  }

  u8(value: number): this {
    this.#writer.u8(value)
    return this
  }

  u64(value: bigint | number): this {
    const number = BigInt(value)
    if (number <= MAX_ONE_BYTE) this.#writer.u8(Number(number))
    else if (number <= MAX_U16) this.#writer.u8(U16_MARK).u16(Number(number))
    else if (number <= BigInt(MAX_U32)) this.#writer.u8(U32_MARK).u32(Number(number))
    else this.#writer.u8(U64_MARK).u64(number)
    return this
  }

  i32(value: number): this {
    return this.u64(value >= 0 ? 2 * value : -2 * value - 1)
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.u64(items.length)
    items.forEach(write)
    return this
  }

  g1(...points: readonly G1[]): this {
    for (const point of points) this.byteString(this.#scheme.bls.g1.encode(point))
    return this
  }

  g1List(points: readonly G1[]): this {
    return this.list(points, (point) => this.g1(point))
  }

  g2(point: G2): this {
    return this.byteString(this.#scheme.bls.g2.encode(point))
  }

  g2List(points: readonly G2[]): this {
    return this.list(points, (point) => this.g2(point))
  }

  scalar(...scalars: readonly Scalar[]): this {
    for (const scalar of scalars) this.byteString(scalarToBytes(scalar))
    return this
  }

  scalarList(scalars: readonly Scalar[]): this {
    return this.list(scalars, (scalar) => this.scalar(scalar))
  }

  byteString(bytes: Uint8Array): this {
    this.#writer.u8(bytes.length).bytes(bytes)
    return this
  }

  finish(): Uint8Array {
    return this.#writer.finish()
  }
}

/** Opens points; a refusal names `what` and the field. */
export function pointOpener(scheme: Scheme, what: string): { g1: Opener<G1>; g2: Opener<G2> } {
  const opener =
    <P>(group: Group<P>): Opener<P> =>
    (bytes, field) => {
      const point = group.decode(bytes)
      if (point === undefined) throw malformed(what, `${field}: not a point of the group`)
      return point
    }
  return { g1: opener(scheme.bls.g1), g2: opener(scheme.bls.g2) }
}

export type Opener<P> = (bytes: Raw, field: string) => P
