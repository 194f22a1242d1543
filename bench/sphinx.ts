/**
 * What wrapping and unwrapping cost on one core, beside the arithmetic that no implementation can avoid (X25519 multiplications:
 * two for an unwrap, n + 1 for building a packet of n hops) and beside the official crate. All of them take turns within every
 * round, so that what disturbs one disturbs the others; ratios are taken per round, and
 * all times are CPU times. @module
 */
import { nodeProvider as crypto } from '../src/foundation/crypto/nodeProvider.ts'
import type { SphinxVersion } from '../src/protocol/sphinx/constants.ts'
import { wrapPacket } from '../src/protocol/sphinx/packet.ts'
import { openHeader } from '../src/protocol/sphinx/unwrap.ts'
import { cpuTimeOf as timeOf } from './cpuTime.ts'
import { examplePacket, HOPS } from './examplePackets.ts'
import { type Figure, ratios, type Subject, spread } from './figures.ts'
import { OfficialCrate } from './officialCrate.ts'

const VERSIONS: readonly SphinxVersion[] = [259, 258]
const WARM_UP = 2_000
const UNWRAP_GOAL = 1.25
const BUILD_GOAL = 2.2

export const sphinx: Subject = {
  name: 'sphinx',
  title: 'Sphinx packets of 2,413 bytes, four hops, one core',
  async run({ quick, say }) {
    const crate = await OfficialCrate.build('sphinx-packet', say)
    const rounds = quick ? 15 : 61
    const batch = quick ? 50 : 100
    try {
      const figures: Figure[] = []
      for (const version of VERSIONS) figures.push(...(await measureVersion(version, { rounds, batch }, crate.program)))
      return { figures, notes: crate.notes }
    } finally {
      crate.program?.stop()
    }
  },
}

/** Microseconds of CPU of one bare unwrap, now. */
export function timeUnwrap(count: number): number {
  const tasks = tasksOf(259)
  timeOf(tasks.unwrap, WARM_UP)
  return timeOf(tasks.unwrap, count)
}

async function measureVersion(
  version: SphinxVersion,
  { rounds, batch }: { rounds: number; batch: number },
  official: OfficialCrate | undefined,
): Promise<Figure[]> {
  const { multiply, build, unwrap } = tasksOf(version)
  for (const task of [multiply, build, unwrap]) timeOf(task, WARM_UP)
  await official?.time(`unwrap ${version}`, WARM_UP / 10)

  const ours = { unwrap: [] as number[], build: [] as number[] }
  const floor = { unwrap: [] as number[], build: [] as number[] }
  const theirs = { unwrap: [] as number[], build: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    // The floor before and after: a drift of the clock rate within the round falls on both sides of the fraction.
    const before = timeOf(multiply, batch)
    ours.unwrap.push(timeOf(unwrap, batch))
    if (official) theirs.unwrap.push(await official.time(`unwrap ${version}`, batch))
    const between = timeOf(multiply, batch)
    ours.build.push(timeOf(build, batch))
    if (official) theirs.build.push(await official.time(`build ${version}`, batch))
    const after = timeOf(multiply, batch)
    floor.unwrap.push(before + between)
    floor.build.push(((HOPS + 1) * (between + after)) / 2)
  }
  const figuresOf = (kind: 'unwrap' | 'build', atLeast: number): Figure[] => {
    const name = `${kind} (version ${version})`
    const measured = spread(ours[kind])
    const floorName = kind === 'unwrap' ? '2 multiplications' : `${HOPS + 1} multiplications`
    const beside = (reference: string, values: readonly number[]): Figure => ({
      name,
      unit: 'µs',
      measured,
      reference: { name: reference, value: spread(values) },
      ratio: ratios(values, ours[kind]),
    })
    return [
      beside(floorName, floor[kind]),
      ...(official ? [{ ...beside('official crate', theirs[kind]), goal: { of: 'ratio', atLeast } as const }] : []),
    ]
  }
  return [...figuresOf('unwrap', UNWRAP_GOAL), ...figuresOf('build', BUILD_GOAL)]
}

function tasksOf(version: SphinxVersion): Record<'multiply' | 'build' | 'unwrap', () => void> {
  const { params, secretKey } = examplePacket(crypto, version)
  const packet = wrapPacket(crypto, params)
  const point = crypto.x25519Base(secretKey)
  return {
    multiply: () => {
      crypto.x25519(secretKey, point)
    },
    build: () => {
      wrapPacket(crypto, params)
    },
    unwrap: () => {
      const header = openHeader(crypto, secretKey, packet)
      if (header.kind !== 'opened' || header.unwrap().kind !== 'forward') throw new Error('the packet does not unwrap')
    },
  }
}
