/** Networks of members in a simulation, some of them liars: honest code with an engine that lies, or a mouth that does. @module */

import assert from 'node:assert/strict'
import { toHex } from '../../../foundation/base/bytes.ts'
import { Meter, silentLog } from '../../../foundation/base/observe.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { hours, type Millis, millis, seconds } from '../../../foundation/base/units.ts'
import type { Bls } from '../../../foundation/crypto/bls.ts'
import { nodeProvider } from '../../../foundation/crypto/nodeProvider.ts'
import { nullBls } from '../../../foundation/crypto/nullBls.ts'
import { Simulation } from '../../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../../foundation/platform/world.ts'
import { DAY_SECONDS } from '../../../protocol/credentials/constants.ts'
import { type DkgEngine, LocalDkgEngine } from '../../../protocol/credentials/dkgEngine.ts'
import { LocalEngine } from '../../../protocol/credentials/localEngine.ts'
import { createScheme, type Scheme } from '../../../protocol/credentials/scheme.ts'
import type { AgreedKeys } from '../agreedKeys.ts'
import type { BulletinBoard } from './bulletinBoard.ts'
import type { DkgJudge } from './dkgJudge.ts'
import { type DkgMessage, decodeMessage, encodeMessage, signMessage } from './dkgMessages.ts'
import { agreeOnKeys, type DkgOutcome } from './dkgParticipant.ts'
import { type DkgMember, type DkgPlan, type DkgSession, dkgSession } from './dkgSession.ts'
import { MemoryBoard } from './memoryBoard.ts'

export const START: Millis = millis(1_767_225_600_000)
export const nullScheme: Scheme = createScheme(nullBls)

export type Say = (message: DkgMessage) => readonly (DkgMessage | Uint8Array)[]

/** How one member differs from an honest one. */
export interface Behaviour {
  readonly engine?: ((honest: DkgEngine) => DkgEngine) | undefined
  /** What it posts instead of a message. */
  readonly say?: Say
  readonly judge?: (session: DkgSession, engine: DkgEngine) => DkgJudge
  /** Milliseconds until it begins. */
  readonly late?: number
}

export interface Rehearsal {
  readonly n: number
  readonly t: number
  readonly seed?: string
  readonly bls?: Bls
  readonly behaviour?: Readonly<Record<number, Behaviour>>
  /** Milliseconds the next message takes to the board. */
  readonly delay?: (draw: () => number) => number
  readonly epochId?: number
  /** Members have these indices; else 1 to n. */
  readonly indices?: readonly number[]
  readonly previous?: ReadonlyMap<number, AgreedKeys>
  readonly judge?: (session: DkgSession, engine: DkgEngine) => DkgJudge
}

export const seedOf = (index: number): Uint8Array => new Uint8Array(32).fill(index)

export const memberOf = (index: number): DkgMember => ({
  index,
  identity: nodeProvider.ed25519PublicKey(seedOf(index)),
  url: `http://issuer-${index}.test`,
})

export type Ended = { readonly outcome: DkgOutcome } | { readonly error: unknown }

/** One making of keys, with everything a test may want to interfere with. */
export class Stage {
  readonly simulation: Simulation
  readonly plan: DkgPlan
  readonly board: MemoryBoard
  readonly session: DkgSession
  readonly #rehearsal: Rehearsal
  readonly #scheme: Scheme
  readonly #worlds = new Map<number, World>()
  readonly meters: Map<number, Meter> = new Map()

  constructor(rehearsal: Rehearsal) {
    const { n, t, seed = 'dkg', bls = nullBls, delay, epochId = 7, previous } = rehearsal
    this.#rehearsal = rehearsal
    this.#scheme = bls === nullBls ? nullScheme : createScheme(bls)
    this.simulation = new Simulation({ seed, crypto: nodeProvider })
    const stream = this.simulation.random.stream('delays')
    this.board = new MemoryBoard(this.simulation.clock, () => delay && millis(delay(() => stream.uniform())))
    const indices = rehearsal.indices ?? Array.from({ length: n }, (_, i) => i + 1)
    const first = previous && [...previous.values()][0]
    this.plan = {
      network: 'rehearsal',
      epochId: first === undefined ? epochId : first.epochId + 1,
      threshold: t,
      members: indices.map(memberOf),
      startsAt: START,
      phaseLimit: seconds(10),
      ...(first && { previous: withoutOwn(first) }),
    }
    this.session = dkgSession(nodeProvider, this.plan)
  }

  /** Everybody who takes part, by index; an identity has one index in all rehearsals. */
  get participants(): readonly number[] {
    return [...new Set([...this.session.dealers, ...this.session.receivers].map(({ index }) => index))].sort(
      (a, b) => a - b,
    )
  }

  world(index: number): World {
    const world = this.#worlds.get(index) ?? this.simulation.host(`m${index}`, { ips: [`10.0.0.${index}`] })
    this.#worlds.set(index, world)
    return world
  }

  engine(world: World): DkgEngine {
    return new LocalDkgEngine(this.#scheme, world.random.stream('engine'))
  }

  async run(index: number, world: World, board: BulletinBoard = this.board): Promise<DkgOutcome> {
    const behaviour = this.#rehearsal.behaviour?.[index] ?? {}
    const engine = this.engine(world)
    const meter = new Meter()
    this.meters.set(index, meter)
    const own = this.#rehearsal.previous?.get(index)
    const liar = behaviour.say && this.#liar(board, index, behaviour.say)
    const judge = behaviour.judge ?? this.#rehearsal.judge
    if (behaviour.late !== undefined) {
      const late = millis(behaviour.late)
      await new Promise<void>((resolve) => world.clock.after(late, resolve))
    }
    return agreeOnKeys(world, {
      plan: this.plan,
      identitySeed: new Secret(seedOf(index)),
      board: liar?.board ?? board,
      engine: behaviour.engine?.(engine) ?? engine,
      folder: '/dkg',
      previousKey: own?.own.secretKey,
      log: silentLog,
      meter,
      rehearsal: { ...(judge && { judge }), ...(liar && { say: liar.say }) },
    })
  }

  /** Takes the first of what it says for its own word, and posts the rest around it. */
  #liar(
    board: BulletinBoard,
    index: number,
    say: Say,
  ): { readonly board: BulletinBoard; readonly say: (honest: DkgMessage) => DkgMessage | undefined } {
    const said = new Map<string, { own: DkgMessage; all: ReturnType<Say> }>()
    return {
      say: (honest) => {
        const all = say(honest)
        const own = all.find((one): one is DkgMessage => !(one instanceof Uint8Array))
        if (own !== undefined) said.set(own.phase, { own, all })
        return own
      },
      board: {
        read: (position) => board.read(position),
        complete: (instant) => board.complete(instant),
        append: async (bytes) => {
          const { own, all } = said.get(decodeMessage(bytes).message.phase) ?? assert.fail()
          for (const one of all) {
            await board.append(one === own ? bytes : one instanceof Uint8Array ? one : this.signed(index, one))
          }
        },
      },
    }
  }

  signed(index: number, message: DkgMessage, session: Uint8Array = this.session.id): Uint8Array {
    return signMessage(nodeProvider, seedOf(index), encodeMessage(session, memberOf(index).identity, message))
  }

  /** All of them to their ends. */
  async play(): Promise<Map<number, Ended>> {
    const indices = this.participants
    const ends = indices.map((index) =>
      this.run(index, this.world(index)).then(
        (outcome): Ended => ({ outcome }),
        (error: unknown): Ended => ({ error }),
      ),
    )
    const all = await this.simulation.complete(Promise.all(ends), hours(1))
    return new Map(indices.map((index, i) => [index, all[i] as Ended]))
  }

  credentials(): LocalEngine {
    return new LocalEngine(this.#scheme, this.simulation.random.stream('credentials'))
  }
}

export function withoutOwn({ own: _, ...rest }: AgreedKeys): Omit<AgreedKeys, 'own'> {
  return rest
}

/** Of members that have them. */
export function keysOf(ends: ReadonlyMap<number, Ended>): Map<number, AgreedKeys> {
  const keys = new Map<number, AgreedKeys>()
  for (const [index, end] of ends) {
    if ('outcome' in end && end.outcome.kind === 'member') keys.set(index, end.outcome.keys)
  }
  return keys
}

export function outcomeOf(ends: ReadonlyMap<number, Ended>, index: number): DkgOutcome {
  const end = ends.get(index)
  if (end === undefined) throw new Error(`no ${index}`)
  if ('error' in end) throw end.error
  return end.outcome
}

/** As the outcome of that member tells it. */
export const faultsOf = (ends: ReadonlyMap<number, Ended>, index: number): string[] =>
  outcomeOf(ends, index).culprits.map((one) => `${one.index} ${one.fault}`)

export const copy = (bytes: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array => {
  const changed = bytes.slice()
  change(changed)
  return changed
}

/** That all have one master key, and everybody's key is that of its secret. */
export async function checkKeys(engine: LocalEngine, keys: ReadonlyMap<number, AgreedKeys>): Promise<Uint8Array> {
  const [first = assert.fail('nobody has keys')] = keys.values()
  for (const [index, { masterKey, members, own, threshold, epochId }] of keys) {
    assert.equal(own.index, index)
    assert.deepEqual(
      [masterKey, members, threshold, epochId],
      [first.masterKey, first.members, first.threshold, first.epochId],
    )
    const key = members.find((one) => one.index === index)?.key
    assert.deepEqual(key, await engine.verificationKey(own.secretKey.expose()))
  }
  const { members, threshold } = first
  for (let i = 0; i + threshold <= members.length; i++) {
    const shares = members.slice(i, i + threshold)
    assert.equal(toHex(await engine.aggregateKeys(shares)), toHex(first.masterKey))
  }
  return first.masterKey
}

const EXPIRATION = 1_767_312_000 + 6 * DAY_SECONDS

/** Buys a book of these issuers and pays with it. */
export async function payWith(engine: LocalEngine, keys: readonly AgreedKeys[]): Promise<void> {
  const [{ masterKey, threshold, members } = assert.fail()] = keys
  const attributes = { expiration: EXPIRATION, ticketType: 0 }
  const userKey = await engine.userKey(new Uint8Array(32).fill(9))
  const { request, info, publicKey } = await engine.requestBook(userKey, attributes)
  const issuers = keys.slice(0, threshold)
  const keyOf = (index: number) => members.find((one) => one.index === index)?.key ?? assert.fail()
  const answers = []
  for (const { own } of issuers) {
    const issued = await engine.issue({ secretKey: own.secretKey.expose(), request, publicKey, attributes })
    assert.equal(issued.kind, 'issued')
    if (issued.kind === 'issued') answers.push({ index: own.index, key: keyOf(own.index), signature: issued.signature })
  }
  const opened = await engine.openBook({ userKey, info, epochId: 7n, threshold, masterKey, answers })
  assert.ok(opened.kind === 'opened')
  const list = async (topic: Parameters<LocalEngine['signList']>[1]): Promise<Uint8Array> => {
    const parts = []
    for (const { own } of issuers) {
      const signatures = await engine.signList(own.secretKey.expose(), topic, masterKey)
      parts.push({ index: own.index, key: keyOf(own.index), signatures })
    }
    const aggregated = await engine.aggregateList(topic, masterKey, parts)
    assert.ok(aggregated.kind === 'aggregated')
    return aggregated.signatures
  }
  const payInfo = new Uint8Array(72).fill(3)
  const day = EXPIRATION - DAY_SECONDS
  const payment = await engine.spend({
    masterKey,
    book: opened.book,
    ticket: 4,
    payInfo,
    day,
    dateSignatures: await list({ kind: 'dates', expiration: EXPIRATION }),
    coinSignatures: await list({ kind: 'coins' }),
  })
  const [verdict] = await engine.verifyPayments(masterKey, [{ payment, payInfo, day }], 'strict')
  assert.equal(verdict?.kind, 'good')
}

/** An engine in which one method is another. */
export const lying =
  (change: (honest: DkgEngine) => Partial<DkgEngine>): Behaviour['engine'] =>
  (honest) => {
    const bound: DkgEngine = {
      draw: honest.draw.bind(honest),
      commit: honest.commit.bind(honest),
      shares: honest.shares.bind(honest),
      commitmentHolds: honest.commitmentHolds.bind(honest),
      shareHolds: honest.shareHolds.bind(honest),
      reconstruct: honest.reconstruct.bind(honest),
      combine: honest.combine.bind(honest),
      combineShares: honest.combineShares.bind(honest),
    }
    return { ...bound, ...change(bound) }
  }
