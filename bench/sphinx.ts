/**
 * What wrapping and unwrapping cost beside the arithmetic that no implementation can avoid: X25519 multiplications, two for
 * an unwrap, n + 1 for building a packet of n hops. Work and floor take turns within every round on the same core, so that
 * what disturbs one disturbs the other; ratios are taken per round and their median reported.
 *
 * Run alone: `node bench/sphinx.ts`. @module
 */
import { nanos } from '../src/foundation/base/units.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import type { CryptoProvider } from '../src/foundation/crypto/provider.ts'
import { HEADER_BYTES, PAYLOAD_OVERHEAD_BYTES, type SphinxVersion } from '../src/protocol/sphinx/constants.ts'
import { type PacketParams, wrapPacket } from '../src/protocol/sphinx/packet.ts'
import { finalPaddingBytes } from '../src/protocol/sphinx/route.ts'
import { openHeader } from '../src/protocol/sphinx/unwrap.ts'

const PACKET_BYTES = 2413
const HOPS = 4

export interface SphinxBenchOptions {
  readonly crypto?: CryptoProvider
  readonly version?: SphinxVersion
  readonly rounds?: number
  /** Packets per round. */
  readonly batch?: number
}

export interface SphinxFigures {
  readonly provider: string
  readonly version: SphinxVersion
  readonly packetBytes: number
  readonly hops: number
  readonly rounds: number
  readonly batch: number
  /** Medians, microseconds for one. */
  readonly multiplicationMicros: number
  readonly unwrapMicros: number
  readonly buildMicros: number
  /** Medians over the rounds of time divided by the floor's time in the same round. */
  readonly unwrapOverFloor: number
  readonly buildOverFloor: number
  /** What is left of building when expressed in multiplications; n + 1 would be none at all. */
  readonly buildInMultiplications: number
}

/** Measures; prints nothing. About two seconds with the defaults. */
export function measureSphinx(options: SphinxBenchOptions = {}): SphinxFigures {
  const { crypto = nodeProvider, version = 259, rounds = 31, batch = 100 } = options
  const { params, secretKey } = examplePacket(crypto, version)
  const packet = wrapPacket(crypto, params)
  const point = crypto.x25519Base(secretKey)

  const multiply = (): void => {
    crypto.x25519(secretKey, point)
  }
  const build = (): void => {
    wrapPacket(crypto, params)
  }
  const unwrap = (): void => {
    const header = openHeader(crypto, secretKey, packet)
    if (header.kind !== 'opened' || header.unwrap().kind !== 'forward') throw new Error('the packet does not unwrap')
  }
  for (const task of [multiply, build, unwrap]) timeOf(task, 5 * batch)

  const times = Array.from({ length: rounds }, () => {
    // The floor before and after: a drift of the clock rate within the round falls on both sides of the fraction.
    const before = timeOf(multiply, batch)
    const unwrapping = timeOf(unwrap, batch)
    const between = timeOf(multiply, batch)
    const building = timeOf(build, batch)
    const after = timeOf(multiply, batch)
    return { unwrapping, building, unwrapFloor: (before + between) / 2, buildFloor: (between + after) / 2 }
  })
  const middle = (figure: (time: (typeof times)[number]) => number): number => median(times.map(figure))
  return {
    provider: crypto.name,
    version,
    packetBytes: packet.length,
    hops: HOPS,
    rounds,
    batch,
    multiplicationMicros: middle((time) => time.unwrapFloor),
    unwrapMicros: middle((time) => time.unwrapping),
    buildMicros: middle((time) => time.building),
    unwrapOverFloor: middle((time) => time.unwrapping / (2 * time.unwrapFloor)),
    buildOverFloor: middle((time) => time.building / ((HOPS + 1) * time.buildFloor)),
    buildInMultiplications: middle((time) => time.building / time.buildFloor),
  }
}

/** Fixed bytes: what they are makes no difference to the time. */
function examplePacket(
  crypto: CryptoProvider,
  version: SphinxVersion,
): { params: PacketParams; secretKey: Uint8Array } {
  const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
  const secretKeys = Array.from({ length: HOPS }, (_, i) => bytes(32, i + 1))
  const payloadBytes = PACKET_BYTES - HEADER_BYTES
  const params: PacketParams = {
    secret: bytes(32, 0x22),
    route: secretKeys.map((key, i) => ({ address: bytes(32, i), publicKey: crypto.x25519Base(key) })),
    delays: secretKeys.map(() => nanos(15_000_000)),
    destination: { address: bytes(32, 0xd5), identifier: bytes(16, 0) },
    version,
    padding: bytes(finalPaddingBytes(HOPS), 0x77),
    message: bytes(payloadBytes - PAYLOAD_OVERHEAD_BYTES, 0x5a),
    payloadBytes,
  }
  return { params, secretKey: bytes(32, 1) }
}

/** Microseconds for one call. */
function timeOf(task: () => void, count: number): number {
  const start = process.hrtime.bigint()
  for (let i = 0; i < count; i++) task()
  return Number(process.hrtime.bigint() - start) / 1000 / count
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] as number
}

if (import.meta.main) console.log(JSON.stringify([measureSphinx(), measureSphinx({ version: 258 })], undefined, 2))
