/**
 * A chain that behaves as the contracts of the ledger do where epochs are concerned, in memory: who may do what when, and what a
 * step done twice is answered. Blocks come when its owner says; it can stall, and go back. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { DrawPlan, EpochLedger, EpochPhase, EpochReading } from './epochDriver.ts'

export interface FakeState {
  epochId: number
  start: number
  length: number
  phase: EpochPhase
  settledWords: number
  rewarded: number
  pendingEvents: number
  /** By driver. */
  attempts: Record<string, { epochId: number; nextNodeId: number; choices: number[] }>
  /** Of the set in force, by node. */
  roles: Record<number, number>
  /** How often each node was rewarded, by epoch. */
  rewards: Record<string, number>
}

export interface FakeOptions {
  readonly epochId?: number
  readonly start?: number
  readonly length?: number
  readonly nodes?: number
  readonly words?: number
}

export class FakeChain {
  state: FakeState
  nodeIds: number[]
  words: number
  eventsAnEpoch = 0
  blockTime: number
  /** The most a transaction may do. */
  gasLimit: number = Number.POSITIVE_INFINITY
  isStalled = false
  isAway = false
  /** Called before each write takes effect: whoever throws there is killed before, in `after` behind. */
  before: (step: string) => void = () => {}
  after: (step: string) => void = () => {}
  /** Every write that had an effect. */
  readonly effects: string[] = []
  readonly refused: string[] = []
  readonly #blocks: string[] = []

  constructor({ epochId = 24, start = 0, length = 60, nodes = 9, words = 1 }: FakeOptions = {}) {
    this.nodeIds = Array.from({ length: nodes }, (_, i) => i + 1)
    this.words = words
    this.blockTime = start
    this.state = {
      epochId,
      start,
      length,
      phase: 'inProgress',
      settledWords: 0,
      rewarded: 0,
      pendingEvents: 0,
      attempts: {},
      roles: Object.fromEntries(this.nodeIds.map((id) => [id, id % 5])),
      rewards: {},
    }
    this.#blocks.push(JSON.stringify(this.state))
  }

  /** A block of that time; the state at its end is what a reorganisation can go back to. */
  mine(now: number): void {
    if (this.isStalled) return
    this.blockTime = Math.max(this.blockTime, Math.floor(now))
    this.#blocks.push(JSON.stringify(this.state))
  }

  /** Undoes so many blocks. */
  reorganise(depth: number): void {
    this.#blocks.splice(Math.max(1, this.#blocks.length - depth))
    this.state = JSON.parse(this.#blocks.at(-1) as string) as FakeState
  }

  get end(): number {
    return this.state.start + this.state.length
  }

  get isSettled(): boolean {
    return this.state.settledWords >= this.words
  }

  get active(): number {
    return Object.values(this.state.roles).filter((role) => role < 6).length
  }

  /** As one driver's account sees it. */
  ledger(driver: string): EpochLedger {
    const attempt = () => {
      const mine = this.state.attempts[driver]
      return mine?.epochId === this.state.epochId ? mine : undefined
    }
    const write = async (step: string, run: () => void): Promise<void> => {
      await Promise.resolve()
      if (this.isAway) throw new MixnetError('TIMEOUT', { what: 'rpc' })
      this.before(step)
      if (this.isStalled) throw new MixnetError('TIMEOUT', { what: 'inclusion' })
      try {
        run()
      } catch (error) {
        this.refused.push(`${driver} ${step} ${String((error as MixnetError).details?.error)}`)
        throw error
      }
      this.effects.push(step)
      this.after(step)
    }
    return {
      read: async (): Promise<EpochReading> => {
        await Promise.resolve()
        if (this.isAway) throw new MixnetError('TIMEOUT', { what: 'rpc' })
        const { epochId, length, phase, settledWords, rewarded, pendingEvents } = this.state
        return {
          blockTime: this.blockTime,
          epochId,
          epochEnd: this.end,
          epochLength: length,
          phase,
          isSettled: this.isSettled,
          settledWords,
          rewarded,
          pendingEvents,
          drawFrom: attempt()?.nextNodeId,
        }
      },
      settle: (epochId, words) =>
        write('settle', () => {
          if (epochId !== this.state.epochId) throw reverted('WrongEpoch')
          if (this.blockTime < this.end) throw reverted('TooEarly')
          if (this.isSettled) throw reverted('AlreadySettled')
          this.#gas(words)
          this.state.settledWords = Math.min(this.words, this.state.settledWords + words)
        }),
      begin: () =>
        write('begin', () => {
          this.#expect('inProgress')
          if (this.blockTime < this.end) throw reverted('EpochNotOver')
          this.state.rewarded = 0
          this.state.pendingEvents = this.eventsAnEpoch
          this.state.phase = this.active === 0 ? 'reconciling' : 'rewarding'
        }),
      reward: (nodes) =>
        write('reward', () => {
          this.#expect('rewarding')
          if (!this.isSettled) throw reverted('ScoresNotSettled')
          this.#gas(nodes)
          const ids = this.nodeIds.filter((id) => (this.state.roles[id] ?? 6) < 6)
          for (const id of ids.slice(this.state.rewarded, this.state.rewarded + nodes)) {
            const key = `${this.state.epochId} ${id}`
            this.state.rewards[key] = (this.state.rewards[key] ?? 0) + 1
          }
          this.state.rewarded = Math.min(ids.length, this.state.rewarded + nodes)
          if (this.state.rewarded === ids.length) this.state.phase = 'reconciling'
        }),
      reconcile: (events) =>
        write('reconcile', () => {
          this.#expect('reconciling')
          this.#gas(events)
          this.state.pendingEvents = Math.max(0, this.state.pendingEvents - events)
          if (this.state.pendingEvents === 0) this.state.phase = 'roleAssignment'
        }),
      plan: async (epochId): Promise<DrawPlan> => {
        await Promise.resolve()
        return { nodeIds: this.nodeIds, choices: Uint8Array.from(this.nodeIds, (id) => this.#choice(epochId, id)) }
      },
      draw: (choices) =>
        write('draw', () => {
          this.#expect('roleAssignment')
          this.#gas(choices.length)
          const { epochId } = this.state
          const mine = attempt() ?? { epochId, nextNodeId: 0, choices: [] }
          const ids = this.nodeIds.filter((id) => id >= mine.nextNodeId)
          if (choices.length > ids.length) throw reverted('WrongChoice')
          const next = {
            epochId,
            nextNodeId: ids[choices.length] ?? 0xffff_ffff,
            choices: [...mine.choices, ...choices],
          }
          // As in the contract, where the smallest key left out is known only at the end.
          const isWrong = next.choices.some((choice, i) => choice !== this.#choice(epochId, this.nodeIds[i] as number))
          if (choices.length === ids.length && isWrong) throw reverted('NotDrawnByWeight')
          this.state.attempts[driver] = next
          if (choices.length === ids.length) this.#advance(next.choices)
        }),
      restart: () =>
        write('restart', () => {
          delete this.state.attempts[driver]
        }),
    }
  }

  /** What the seed of the epoch makes of a node. Others after `reseed`. */
  seed = 0
  #choice = (epochId: number, id: number): number => (epochId + id + this.seed) % 5

  #advance(choices: readonly number[]): void {
    this.state.roles = Object.fromEntries(this.nodeIds.map((id, i) => [id, choices[i] as number]))
    this.state.epochId++
    this.state.start = this.end
    this.state.phase = 'inProgress'
    this.state.settledWords = 0
  }

  #expect(phase: EpochPhase): void {
    if (this.state.phase !== phase) throw reverted('WrongEpochState')
  }

  #gas(items: number): void {
    if (items > this.gasLimit) throw reverted('out of gas')
  }
}

const reverted = (error: string): MixnetError => new MixnetError('BAD_ARGUMENT', { error })
