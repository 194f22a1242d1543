/** Long inputs, which a decoder must read, or refuse, in time that goes with their length: squared, a minute is only a megabyte away. @module */
import { concat, fromUtf8Lossy, utf8 } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import type { Decoder } from './decoder.ts'

/** Repeated, they are what scanners, backtracking expressions and nested parsers are slow at. */
const UNITS: readonly Uint8Array[] = [
  ...[
    ' ',
    '\n',
    '0',
    '1',
    'a',
    'z.',
    ':',
    '::',
    '[',
    '{"a":',
    '"',
    '\\u0000',
    '/',
    '-----BEGIN A-----\n',
    '#\n',
    '[[a]]\n',
  ].map(utf8),
  ...['ExitPolicy accept *:*\n', '{"a":[],', '1,', '"a":1,', '9'.repeat(40)].map(utf8),
  ...[0, 1, 0x7f, 0x80, 0xff].map((byte) => Uint8Array.of(byte)),
  Uint8Array.of(0, 1),
  Uint8Array.of(1, 0, 0),
]

/** What makes a decoder's time grow faster than its input, in words; undefined where nothing does. */
export function slowness(decoder: Decoder, bytes: number): string | undefined {
  for (const input of longInputs(decoder, bytes)) {
    const cpuMs = spend(decoder, input)
    // Linear decoders read hundreds of kilobytes in a millisecond or, in cryptography, in a hundred.
    const allowed = 60 + bytes / 512
    if (cpuMs > allowed && spend(decoder, input) > allowed) {
      return `${Math.round(cpuMs)} ms for ${bytes} bytes of ${JSON.stringify(fromUtf8Lossy(input.slice(0, 60)))}`
    }
  }
  return undefined
}

function* longInputs({ seeds }: Decoder, bytes: number): Iterable<Uint8Array> {
  for (const unit of UNITS) yield repeated(unit, bytes)
  for (const seed of seeds.slice(0, 3)) {
    const middle = Math.floor(seed.length / 2)
    yield repeated(seed.length === 0 ? Uint8Array.of(0) : seed, bytes)
    for (const unit of UNITS) {
      yield concat(seed.subarray(0, middle), repeated(unit, bytes), seed.subarray(middle))
    }
  }
}

function repeated(unit: Uint8Array, bytes: number): Uint8Array {
  const input = new Uint8Array(Math.ceil(bytes / unit.length) * unit.length)
  for (let offset = 0; offset < input.length; offset += unit.length) input.set(unit, offset)
  return input
}

function spend(decoder: Decoder, input: Uint8Array): number {
  const started = process.cpuUsage()
  try {
    decoder.run(input)
  } catch (error) {
    if (!isMixnetError(error)) throw error
  }
  const { user, system } = process.cpuUsage(started)
  return (user + system) / 1000
}
