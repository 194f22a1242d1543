/**
 * One member making keys with others over a board: reads, understands (`DkgTranscript`), says what is expected of it, until there are
 * keys. Everything it says is on its disk before it is on the board, so it may be killed at any instant and run again. @module
 */
import { equalBytes } from '../../../foundation/base/bytes.ts'
import { MixnetError } from '../../../foundation/base/errors.ts'
import type { Log, Meter } from '../../../foundation/base/observe.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { awaited, sleep } from '../../../foundation/platform/clock.ts'
import type { World } from '../../../foundation/platform/world.ts'
import type { DkgEngine } from '../../../protocol/credentials/dkgEngine.ts'
import type { AgreedKeys } from '../agreedKeys.ts'
import type { BulletinBoard } from './bulletinBoard.ts'
import { DkgJudge } from './dkgJudge.ts'
import { DKG_PHASES, type DkgMessage, type DkgPhase, encodeMessage, signMessage } from './dkgMessages.ts'
import { DEFAULT_DKG_PARAMS, type DkgParams } from './dkgParams.ts'
import type { DkgCulprit } from './dkgResult.ts'
import { type DkgMember, type DkgPlan, type DkgSession, dkgSession, identityName } from './dkgSession.ts'
import { DkgSpeaker } from './dkgSpeaker.ts'
import { DkgState } from './dkgState.ts'
import { DkgTranscript } from './dkgTranscript.ts'
import { loadAgreedKeys, storeAgreedKeys } from './keyFile.ts'

export interface DkgOptions {
  readonly plan: DkgPlan
  /** Ed25519 seed of our identity, which the plan names. */
  readonly identitySeed: Secret
  readonly board: BulletinBoard
  readonly engine: DkgEngine
  /** Where state and keys are kept. */
  readonly folder: string
  /** Our key of the epoch before, 168 bytes: what we deal in a resharing. */
  readonly previousKey?: Secret | undefined
  readonly log: Log
  readonly meter: Meter
  readonly signal?: AbortSignal | undefined
  readonly params?: DkgParams
  /** For tests: what a member without a check does, and one that lies. */
  readonly rehearsal?: {
    readonly judge?: (session: DkgSession, engine: DkgEngine) => DkgJudge
    readonly say?: (honest: DkgMessage) => DkgMessage | undefined
  }
}

export type DkgOutcome =
  | { readonly kind: 'member'; readonly keys: AgreedKeys; readonly culprits: readonly DkgCulprit[] }
  /** We handed our share on, and have none of the new epoch. */
  | { readonly kind: 'retired'; readonly culprits: readonly DkgCulprit[] }
  /** The others have keys. We were silent when we should have spoken, or hold no share. */
  | { readonly kind: 'left-out'; readonly culprits: readonly DkgCulprit[] }

const SCALAR_BYTES = 32

/**
 * Makes keys, or hands the old ones on, and stores ours. Called again after a crash it goes on where it was; once the keys are
 * stored it returns them. Rejects with ISSUERS_UNAVAILABLE where too few members are left, CONFIG_INVALID of a plan that cannot
 * work or is not about us, KEY_FILE_UNREADABLE where our state of this session is damaged or lost, ABORTED.
 */
export function agreeOnKeys(world: World, options: DkgOptions): Promise<DkgOutcome> {
  // Between looks at the board only a timer is there: the process must not end for that.
  return awaited(world.clock, agree(world, options))
}

async function agree(world: World, options: DkgOptions): Promise<DkgOutcome> {
  const session = dkgSession(world.crypto, options.plan)
  const stored = await loadAgreedKeys(world.files, options.folder, options.plan.epochId)
  if (stored !== undefined) return { kind: 'member', keys: stored, culprits: [] }
  await checkOwn(world, options)
  await checkPrevious(options.engine, session)
  return (await Participant.open(world, session, options)).run()
}

/** That who has a share of the key before is to hand on that key: a plan with another one would put its owners above all issuers. */
async function checkOwn({ files }: World, { plan: { previous }, folder }: DkgOptions): Promise<void> {
  const own = previous && (await loadAgreedKeys(files, folder, previous.epochId))
  if (own === undefined || equalBytes(own.masterKey, previous?.masterKey ?? new Uint8Array(0))) return
  throw new MixnetError('CONFIG_INVALID', { key: 'dkg: previous', why: 'not the key that we have a share of' })
}

/** That the keys of the old members make the old master key, all of them: what they deal is checked against these. */
async function checkPrevious(engine: DkgEngine, { plan: { previous } }: DkgSession): Promise<void> {
  if (previous === undefined) return
  const parts = previous.members.map(({ index, key }) => ({ dealer: index, bytes: key }))
  const [first, rest] = [parts.slice(0, previous.threshold - 1), parts.slice(previous.threshold - 1)]
  for (const one of rest) {
    const { masterKey } = await engine.combine('interpolate', 1, [...first, one], [])
    if (!equalBytes(masterKey, previous.masterKey)) {
      throw new MixnetError('CONFIG_INVALID', {
        key: 'dkg: previous',
        index: one.dealer,
        why: 'not a share of the key',
      })
    }
  }
}

class Participant {
  readonly #world: World
  readonly #options: DkgOptions
  readonly #session: DkgSession
  readonly #state: DkgState
  readonly #transcript: DkgTranscript
  readonly #identity: Uint8Array
  readonly #speaker: DkgSpeaker
  readonly #receiver: DkgMember | undefined
  readonly #posted = new Set<DkgPhase>()
  #position = 0

  private constructor(world: World, session: DkgSession, options: DkgOptions, identity: Uint8Array, state: DkgState) {
    this.#world = world
    this.#options = options
    this.#session = session
    this.#identity = identity
    this.#state = state
    this.#receiver = session.receiverOf.get(identityName(identity))
    const { engine, rehearsal, meter } = options
    const { crypto } = world
    const judge = rehearsal?.judge?.(session, engine) ?? new DkgJudge(session, engine)
    const transcript = new DkgTranscript(session, judge, crypto, meter)
    this.#transcript = transcript
    const secrets = () => state.secrets
    this.#speaker = new DkgSpeaker({ session, identity, secrets, engine, judge, transcript, crypto })
  }

  static async open(world: World, session: DkgSession, options: DkgOptions): Promise<Participant> {
    const { engine, folder, previousKey, plan } = options
    const identity = world.crypto.ed25519PublicKey(options.identitySeed.expose())
    const name = identityName(identity)
    if (!session.dealerOf.has(name) && !session.receiverOf.has(name)) {
      throw new MixnetError('CONFIG_INVALID', { key: 'dkg: members', why: 'we are not among them' })
    }
    const deals = session.dealerOf.has(name)
    if (deals && plan.previous !== undefined && previousKey === undefined) {
      throw new MixnetError('CONFIG_INVALID', { key: 'dkg: previous', why: 'we are of it, and have no key of it' })
    }
    const random = world.random.stream('dkg')
    const state = await DkgState.open(world.files, folder, session.id, async () => ({
      receiving: new Secret(random.bytes(SCALAR_BYTES)),
      dealing: new Secret(random.bytes(SCALAR_BYTES)),
      polynomials: new Secret(
        deals ? await engine.draw(plan.threshold, plan.previous && previousKey?.expose()) : new Uint8Array(0),
      ),
    }))
    return new Participant(world, session, options, identity, state)
  }

  async run(): Promise<DkgOutcome> {
    const { board, signal, params = DEFAULT_DKG_PARAMS } = this.#options
    const transcript = this.#transcript
    for (;;) {
      await this.#readAll()
      if (transcript.phase === 'agreed') return this.#outcome()
      if (await this.#speak(transcript.phase)) continue
      const { deadline } = transcript
      if (await board.complete(deadline)) {
        await this.#readAll()
        // Where it had ended already, this is a deadline of the past.
        await transcript.endPhases(deadline)
        continue
      }
      await sleep(this.#world.clock, params.pollEvery, signal)
    }
  }

  async #readAll(): Promise<void> {
    for (;;) {
      const entries = await this.#options.board.read(this.#position)
      if (entries.length === 0) return
      for (const entry of entries) {
        await this.#transcript.take(entry)
        this.#position++
      }
      this.#checkOwn()
    }
  }

  /** Two of us, or one that lost its memory, would contradict each other. */
  #checkOwn(): void {
    for (const phase of DKG_PHASES) {
      const said = this.#transcript.bodyOf(phase, this.#identity)
      const prepared = this.#state.prepared(phase)
      if (said === undefined || (prepared && equalBytes(prepared.subarray(0, said.length), said))) continue
      throw new MixnetError(
        'KEY_FILE_UNREADABLE',
        { file: 'dkg state', phase },
        {
          message: 'somebody spoke in our name, and it was not the holder of this state',
          nextStep: 'Restore the state file of this session, or stop the other process with this identity.',
        },
      )
    }
  }

  /** Says what this phase expects of us; whether it did. */
  async #speak(phase: DkgPhase): Promise<boolean> {
    if (this.#posted.has(phase) || !this.#transcript.waitsFor(this.#identity)) return false
    let message = this.#state.prepared(phase)
    if (message === undefined) {
      const { rehearsal } = this.#options
      const honest = await this.#speaker.messageFor(phase)
      const said = honest && rehearsal?.say ? rehearsal.say(honest) : honest
      if (said === undefined) return false
      const body = encodeMessage(this.#session.id, this.#identity, said)
      message = signMessage(this.#world.crypto, this.#options.identitySeed.expose(), body)
      await this.#state.prepare(phase, message)
    }
    this.#posted.add(phase)
    await this.#options.board.append(message)
    return true
  }

  async #outcome(): Promise<DkgOutcome> {
    const { agreement, confirmed, culprits } = this.#transcript
    const { folder, plan, log } = this.#options
    for (const { index, as, fault } of culprits) log.warn('dkg-culprit', { index, as, fault })
    if (agreement === undefined) throw new MixnetError('INTERNAL', { what: 'keys without an agreement' })
    const receiver = this.#receiver
    if (receiver === undefined) {
      await this.#state.forget()
      return { kind: 'retired', culprits }
    }
    const own = confirmed.includes(receiver.index) ? await this.#speaker.ownKey(agreement.qualified) : undefined
    if (own === undefined) {
      await this.#state.forget()
      log.warn('dkg-left-out', { epoch: plan.epochId, index: receiver.index })
      return { kind: 'left-out', culprits }
    }
    const keyOf = new Map(agreement.keys.map(({ index, bytes }) => [index, bytes]))
    const keys: AgreedKeys = {
      epochId: plan.epochId,
      threshold: plan.threshold,
      masterKey: agreement.masterKey,
      members: plan.members.flatMap(({ index, identity, url }) => {
        const key = keyOf.get(index)
        return key === undefined || !confirmed.includes(index) ? [] : [{ index, identity, url, key }]
      }),
      own: { index: receiver.index, secretKey: own },
    }
    await storeAgreedKeys(this.#world.files, folder, keys)
    await this.#state.remove()
    log.info('dkg-agreed', { epoch: keys.epochId, members: keys.members.length, threshold: keys.threshold })
    return { kind: 'member', keys, culprits }
  }
}
