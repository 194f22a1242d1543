/** What the fuzzer knows of a decoder. @module */
import { fromUtf8Lossy, utf8 } from '../../src/foundation/base/bytes.ts'
import type { ErrorCode } from '../../src/foundation/base/errors.ts'
import { type Json, parseJson } from '../../src/protocol/wire/directory/json.ts'
import { recordedSeeds } from './corpus.ts'

export interface Decoder {
  /** As it is exported; where it takes several shapes, with a word behind. */
  readonly name: string
  readonly seeds: readonly Uint8Array[]
  /** Gives a value, or throws one of `refusals`. */
  readonly run: (input: Uint8Array) => unknown
  readonly refusals: readonly ErrorCode[]
}

interface Extra {
  readonly seeds?: readonly (Uint8Array | string)[]
  readonly refusals?: readonly ErrorCode[]
}

export function bytesDecoder(name: string, run: (input: Uint8Array) => unknown, extra: Extra = {}): Decoder {
  const { seeds = [], refusals = ['MALFORMED'] } = extra
  const given = seeds.map((seed) => (typeof seed === 'string' ? utf8(seed) : seed))
  const [exported = name] = name.split(' ')
  return { name, run, refusals, seeds: [...given, ...recordedSeeds(exported)] }
}

export const textDecoder = (name: string, run: (text: string) => unknown, extra: Extra = {}): Decoder =>
  bytesDecoder(name, (input) => run(fromUtf8Lossy(input)), extra)

export const jsonDecoder = (name: string, run: (json: Json) => unknown, extra: Extra = {}): Decoder =>
  textDecoder(name, (text) => run(parseJson(text, 'fuzz')), extra)
