/**
 * Moves the ledger from one epoch to the next once it is over: settle the scores, begin, reward, reconcile, draw. Anybody may do each
 * step and none can do it wrong, so several drivers run at once, and any may die at any step: all that is known is on the chain, read
 * anew between steps. Whoever makes progress goes on; the others watch, and take over when it stops. Rules:
 * docs/spec/directory-server.md, "The driver". @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { sleep } from '../../foundation/platform/clock.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { World } from '../../foundation/platform/world.ts'

export type EpochPhase = 'inProgress' | 'rewarding' | 'reconciling' | 'roleAssignment'

/** What the chain says, all of one block. Instants and durations in seconds; ids absolute. */
export interface EpochReading {
  /** Of the block. */
  readonly blockTime: number
  readonly epochId: number
  readonly epochEnd: number
  readonly epochLength: number
  readonly phase: EpochPhase
  /** Whether the scores of the epoch are settled, and how many words of them. */
  readonly isSettled: boolean
  readonly settledWords: number
  /** Of the rewarded set, so far. */
  readonly rewarded: number
  /** Waiting to be applied now. */
  readonly pendingEvents: number
  /** This driver's own attempt at the draw: the first node it has not chosen for; undefined where it has none for this epoch. */
  readonly drawFrom: number | undefined
}

/** A choice for every bonded node, ascending by id; bytes as the contract wants them. */
export interface DrawPlan {
  readonly nodeIds: readonly number[]
  readonly choices: Uint8Array
}

/** The ledger as far as a driver needs it. All reject with MixnetErrors; a write resolves once it is in a block. */
export interface EpochLedger {
  read(): Promise<EpochReading>
  settle(epochId: number, words: number): Promise<void>
  begin(): Promise<void>
  reward(nodes: number): Promise<void>
  reconcile(events: number): Promise<void>
  /** Computed from the seed, the scores and the stakes that the chain holds now. */
  plan(epochId: number): Promise<DrawPlan>
  draw(choices: Uint8Array): Promise<void>
  /** Throws the own attempt at the draw away. */
  restart(): Promise<void>
}

export type EpochStep = 'settle' | 'begin' | 'reward' | 'reconcile' | 'draw'

export interface EpochDriverParams {
  /** Most in one transaction; halved where it does not pass, for it may be more than a block takes. */
  readonly batches: Readonly<Record<Exclude<EpochStep, 'begin'>, number>>
  /** After the end of an epoch each driver waits a random part of this, or of a tenth of the epoch, before it looks. */
  readonly stagger: Millis
  /** How long another driver's last step is waited for a next one. At random up to twice as long. */
  readonly patience: Millis
  /** A chain whose blocks lag is waited for this long beyond the epoch's end; one that makes blocks only when asked, no longer. */
  readonly blockLag: Millis
  /** Without word of the chain an epoch may change its length: looked at as often as this. */
  readonly poll: Millis
  /** Between attempts that fail: doubled each time, up to `longestRetry`. */
  readonly retry: Millis
  readonly longestRetry: Millis
  /** An epoch that is over for longer, or for a tenth of its length where that is longer, is an alarm. */
  readonly lateAfter: Millis
}

const DEFAULT_DRIVER_PARAMS: EpochDriverParams = {
  batches: { settle: 16, reward: 200, reconcile: 100, draw: 200 },
  stagger: seconds(10),
  patience: seconds(15),
  blockLag: seconds(15),
  poll: minutes(1),
  retry: seconds(1),
  longestRetry: minutes(1),
  lateAfter: minutes(1),
}

export interface EpochDriverOptions {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly ledger: EpochLedger
  readonly params?: Partial<EpochDriverParams> | undefined
  readonly meter: Meter
  readonly log: Log
}

const NOW = millis(0)
const BLOCK_SOON = seconds(1)

export class EpochDriver {
  readonly #options: EpochDriverOptions
  readonly #params: EpochDriverParams
  readonly #random: RandomStream
  readonly #stop = new AbortController()
  readonly #batches: Record<Exclude<EpochStep, 'begin'>, number>
  #running: Promise<void> | undefined
  #reading: EpochReading | undefined
  /** Read behind our last step, and not looked at yet: what the next one goes by. Where it is old by then, the contract refuses the step. */
  #fresh: EpochReading | undefined
  /** The chain as it was after our own last step, or as seen last: where it is another, somebody else moved it. */
  #seen: string | undefined
  #plan: { readonly epochId: number; readonly plan: DrawPlan } | undefined
  #stagger: { readonly epochId: number; readonly wait: Millis } | undefined
  #failures = 0
  #toldLate: number | undefined

  constructor(options: EpochDriverOptions) {
    const { world, meter } = options
    this.#options = options
    this.#params = { ...DEFAULT_DRIVER_PARAMS, ...options.params }
    this.#batches = { ...this.#params.batches }
    this.#random = world.random.stream('epoch-driver')
    meter.gauge('epoch_driver_epoch', 'The epoch that the ledger is in', () => this.#reading?.epochId ?? -1)
    meter.gauge('epoch_driver_late_seconds', 'How long the epoch should have ended', () => this.lateSeconds)
    meter.gauge('epoch_driver_failures', 'Attempts in a row that failed', () => this.#failures)
    meter.gauge('epoch_driver_block_age_seconds', 'Since the newest block that was seen', () =>
      this.#reading === undefined ? 0 : Math.max(0, Math.floor(this.#now() - this.#reading.blockTime)),
    )
  }

  /** How long the epoch should have ended, by the wall clock; 0 where it runs. */
  get lateSeconds(): number {
    return this.#reading === undefined ? 0 : Math.max(0, Math.floor(this.#now() - this.#reading.epochEnd))
  }

  /** Drives until stopped; whatever fails is tried again. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when nothing is under way any more. What was begun others finish, or this one when it starts again. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const wait = await this.#turn()
      // Whole milliseconds: a rest too small for the clock to move would be waited for without end.
      if (wait > 0) await sleep(this.#options.world.clock, millis(Math.ceil(wait)), signal).catch(() => {})
    }
  }

  /** One look and at most one step. How long to wait before the next. */
  async #turn(): Promise<Millis> {
    const reading = this.#fresh ?? (await this.#read())
    this.#fresh = undefined
    if (reading === undefined || this.#stop.signal.aborted) return this.#afterFailure()
    const untilDue = this.#untilDue(reading)
    if (untilDue > 0) {
      this.#seen = undefined
      this.#failures = 0
      return millis(Math.min(untilDue, this.#params.poll))
    }
    this.#tellLate(reading)
    const before = fingerprint(reading)
    if (this.#seen !== undefined && this.#seen !== before) {
      // Two that step at the same instant pay for one step twice.
      this.#seen = before
      return this.#othersTurn()
    }
    this.#seen = before
    const step = nextStep(reading)
    const problem = await this.#try(step, reading)
    if (this.#stop.signal.aborted) return NOW
    const after = await this.#read()
    if (after === undefined) return this.#afterFailure()
    this.#seen = fingerprint(after)
    if (problem === undefined && this.#seen !== before) {
      this.#fresh = after
      return this.#done(step)
    }
    if (problem === undefined) {
      // A server that says it is done and shows that it is not: behind, or lying. Each further step at once would be paid for as well.
      this.#fail(step, undefined)
      return this.#afterFailure()
    }
    // Refused, but the ledger went on: somebody was faster, which is as good.
    if (this.#seen !== before) {
      this.#count(step, 'overtaken')
      return this.#othersTurn()
    }
    this.#fail(step, problem)
    await this.#mend(step, after)
    return this.#afterFailure()
  }

  async #read(): Promise<EpochReading | undefined> {
    try {
      const reading = await this.#options.ledger.read()
      if (reading.epochId !== this.#reading?.epochId) {
        this.#options.log.info('epoch.now', { epoch: reading.epochId, endsAt: reading.epochEnd })
      }
      this.#reading = reading
      return reading
    } catch (error) {
      this.#count('read', 'failed')
      this.#failures++
      this.#options.log.warn('epoch.ledger-unread', { code: codeOf(error), failures: this.#failures })
      if (this.#reading !== undefined) this.#tellLate(this.#reading)
      return undefined
    }
  }

  /** 0 or less where there is a step to do. */
  #untilDue({ epochId, epochEnd, epochLength, blockTime, phase }: EpochReading): number {
    if (phase !== 'inProgress') return 0
    if (this.#stagger?.epochId !== epochId) {
      const most = Math.min(this.#params.stagger, (epochLength * 1000) / 10)
      this.#stagger = { epochId, wait: millis(this.#random.uniform() * most) }
    }
    const untilEnd = epochEnd * 1000 - this.#options.world.clock.now()
    const wait = untilEnd + this.#stagger.wait
    if (wait > 0 || blockTime >= epochEnd) return wait
    // The contract goes by the time of blocks.
    return -untilEnd < this.#params.blockLag ? BLOCK_SOON : 0
  }

  async #try(step: EpochStep, reading: EpochReading): Promise<unknown> {
    const { ledger } = this.#options
    try {
      if (step === 'settle') await ledger.settle(reading.epochId, this.#batches.settle)
      else if (step === 'begin') await ledger.begin()
      else if (step === 'reward') await ledger.reward(this.#batches.reward)
      else if (step === 'reconcile') await ledger.reconcile(this.#batches.reconcile)
      else await ledger.draw(await this.#nextChoices(reading))
      return undefined
    } catch (error) {
      return error ?? 'unknown'
    }
  }

  async #nextChoices({ epochId, drawFrom = 0 }: EpochReading): Promise<Uint8Array> {
    const left = (plan: DrawPlan): Uint8Array => {
      const at = plan.nodeIds.findIndex((id) => id >= drawFrom)
      return at < 0 ? new Uint8Array(0) : plan.choices.subarray(at, at + this.#batches.draw)
    }
    const known = this.#plan?.epochId === epochId ? left(this.#plan.plan) : undefined
    if (known !== undefined && known.length > 0) return known
    // Also where none is left and the draw goes on: somebody has bonded since.
    const plan = await this.#options.ledger.plan(epochId)
    this.#plan = { epochId, plan }
    return left(plan)
  }

  /** What may help the next attempt. */
  async #mend(step: EpochStep, { drawFrom }: EpochReading): Promise<void> {
    if (step !== 'begin') this.#batches[step] = Math.max(1, Math.floor(this.#batches[step] / 2))
    if (step !== 'draw') return
    this.#plan = undefined
    // What it holds was chosen by what the chain said before: stakes and announcements may have changed, or the chain itself.
    if (drawFrom !== undefined && this.#failures > 1) {
      await this.#options.ledger.restart().catch((error: unknown) => {
        this.#options.log.warn('epoch.restart-failed', { code: codeOf(error) })
      })
      this.#seen = undefined
    }
  }

  #done(step: EpochStep): Millis {
    this.#count(step, 'done')
    this.#failures = 0
    if (step !== 'begin') this.#batches[step] = Math.min(this.#batches[step] * 2, this.#params.batches[step])
    return NOW
  }

  /** undefined: it failed by what is not to be seen of it. */
  #fail(step: EpochStep, error: unknown): void {
    this.#failures++
    this.#count(step, 'failed')
    const code = error === undefined ? 'UNSEEN' : codeOf(error)
    const fields = { step, code, failures: this.#failures, epoch: this.#reading?.epochId }
    this.#options.log.warn('epoch.step-failed', fields)
  }

  #othersTurn(): Millis {
    this.#failures = 0
    return millis(this.#params.patience * (1 + this.#random.uniform()))
  }

  #afterFailure(): Millis {
    const { retry, longestRetry } = this.#params
    const wait = Math.min(retry * 2 ** Math.max(0, this.#failures - 1), longestRetry)
    return millis(wait * (1 + this.#random.uniform() / 2))
  }

  #tellLate({ epochId, epochLength, phase, blockTime }: EpochReading): void {
    const late = this.lateSeconds
    if (this.#toldLate === epochId || late * 1000 < Math.max(this.#params.lateAfter, epochLength * 100)) return
    this.#toldLate = epochId
    this.#options.meter.counter('epoch_driver_late_epochs_total', 'Epochs that did not end in time').value++
    const fields = { epoch: epochId, late, phase, blockAge: Math.floor(this.#now() - blockTime) }
    this.#options.log.error('epoch.late', fields)
  }

  #count(step: EpochStep | 'read', outcome: 'done' | 'overtaken' | 'failed'): void {
    const help = 'Steps of epochs by what came of them; overtaken: somebody else was faster'
    this.#options.meter.counter('epoch_driver_steps_total', help, { step, outcome }).value++
  }

  #now(): number {
    return this.#options.world.clock.now() / 1000
  }
}

/** Of an epoch that is over. */
function nextStep({ phase, isSettled }: EpochReading): EpochStep {
  switch (phase) {
    case 'inProgress':
      return isSettled ? 'begin' : 'settle'
    case 'rewarding':
      return 'reward'
    case 'reconciling':
      return 'reconcile'
    case 'roleAssignment':
      return 'draw'
  }
}

/** Everything that a step changes, and nothing that changes by itself. */
function fingerprint({
  epochId,
  phase,
  isSettled,
  settledWords,
  rewarded,
  pendingEvents,
  drawFrom,
}: EpochReading): string {
  return JSON.stringify([epochId, phase, isSettled, settledWords, rewarded, pendingEvents, drawFrom ?? null])
}

const codeOf = (error: unknown): string => (isMixnetError(error) ? error.code : 'INTERNAL')
