/**
 * One member making keys with others over a board: reads, understands (`DkgTranscript`), says what is expected of it, until there are
 * keys. Everything it says is on its disk before it is on the board, so it may be killed at any instant and run again. @module
 */
import { equalBytes } from '../../../foundation/base/bytes.ts'
import { MixnetError } from '../../../foundation/base/errors.ts'
import type { Log, Meter } from '../../../foundation/base/observe.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { sleep } from '../../../foundation/platform/clock.ts'
import type { World } from '../../../foundation/platform/world.ts'
import type { Contribution, DkgEngine } from '../../../protocol/credentials/dkgEngine.ts'
import type { AgreedKeys } from '../agreedKeys.ts'
import type { BulletinBoard } from './bulletinBoard.ts'
import { DkgJudge } from './dkgJudge.ts'
import { DKG_PHASES, type DkgMessage, type DkgPhase, encodeMessage, type Item, signMessage } from './dkgMessages.ts'
import { DEFAULT_DKG_PARAMS, type DkgParams } from './dkgParams.ts'
import { type DkgMember, type DkgPlan, type DkgSession, dkgSession, identityName } from './dkgSession.ts'
import { DkgState } from './dkgState.ts'
import { type DkgCulprit, DkgTranscript } from './dkgTranscript.ts'
import { loadAgreedKeys, storeAgreedKeys } from './keyFile.ts'
import { type BoxEnds, openShare, sealShare } from './shareBox.ts'

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
export async function agreeOnKeys(world: World, options: DkgOptions): Promise<DkgOutcome> {
  const session = dkgSession(world.crypto, options.plan)
  const stored = await loadAgreedKeys(world.files, options.folder, options.plan.epochId)
  if (stored !== undefined) return { kind: 'member', keys: stored, culprits: [] }
  await checkPrevious(options.engine, session)
  return (await Participant.open(world, session, options)).run()
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
  readonly #judge: DkgJudge
  readonly #transcript: DkgTranscript
  readonly #identity: Uint8Array
  readonly #dealer: DkgMember | undefined
  readonly #receiver: DkgMember | undefined
  readonly #posted = new Set<DkgPhase>()
  #position = 0
  /** What dealers gave us and is right, by dealer. */
  #shares: ReadonlyMap<number, Uint8Array> | undefined
  #secretKey: Secret | undefined

  private constructor(world: World, session: DkgSession, options: DkgOptions, identity: Uint8Array, state: DkgState) {
    this.#world = world
    this.#options = options
    this.#session = session
    this.#identity = identity
    this.#state = state
    this.#dealer = session.dealerOf.get(identityName(identity))
    this.#receiver = session.receiverOf.get(identityName(identity))
    this.#judge = options.rehearsal?.judge?.(session, options.engine) ?? new DkgJudge(session, options.engine)
    this.#transcript = new DkgTranscript(session, this.#judge, world.crypto, options.meter)
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
      const honest = await this.#messageFor(phase)
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

  async #messageFor(phase: DkgPhase): Promise<DkgMessage | undefined> {
    switch (phase) {
      case 'keys':
        return { phase, encryptionKey: this.#publicKey(this.#state.secrets.receiving) }
      case 'deal':
        return this.#deal()
      case 'complain': {
        const good = await this.#received()
        return {
          phase,
          dealers: [...this.#transcript.deals.keys()].filter((dealer) => !good.has(dealer)).sort(ascending),
        }
      }
      case 'answer':
        return this.#answer()
      case 'open':
        return { phase, commitment: await this.#options.engine.commit('feldman', this.#polynomials) }
      case 'accuse':
        return { phase, shares: await this.#accusations() }
      case 'rebuild': {
        const { broken } = this.#transcript
        const good = await this.#received()
        return { phase, shares: broken.flatMap((index) => itemOf(index, good.get(index))) }
      }
      case 'confirm':
        return this.#confirm()
    }
  }

  async #deal(): Promise<DkgMessage> {
    const { engine } = this.#options
    const { dealing } = this.#state.secrets
    const { kind } = this.#judge
    const encryptionKey = this.#publicKey(dealing)
    const receivers = [...this.#transcript.keys]
    const shares = await engine.shares(
      kind,
      this.#polynomials,
      receivers.map(([index]) => index),
    )
    return {
      phase: 'deal',
      encryptionKey,
      commitment: await engine.commit(kind, this.#polynomials),
      shares: receivers.flatMap(([index, receiverKey], i) => {
        const ends = this.#ends(this.#identity, encryptionKey, this.#identityOf(index), receiverKey)
        return itemOf(index, sealShare(this.#world.crypto, ends, dealing.expose(), shares[i] ?? new Uint8Array(0)))
      }),
    }
  }

  async #answer(): Promise<DkgMessage | undefined> {
    if (this.#dealer === undefined) return undefined
    const complaints = this.#transcript.complaintsOf(this.#dealer.index)
    const shares = await this.#options.engine.shares(this.#judge.kind, this.#polynomials, complaints)
    return { phase: 'answer', shares: complaints.flatMap((index, i) => itemOf(index, shares[i])) }
  }

  async #accusations(): Promise<readonly Item[]> {
    const good = await this.#received()
    const wrong: Item[] = []
    for (const [dealer, opening] of [...this.#transcript.openings].sort(([a], [b]) => a - b)) {
      const share = good.get(dealer)
      if (share === undefined || this.#receiver === undefined) continue
      if (!(await this.#judge.openingFits(opening, this.#receiver.index, share)))
        wrong.push({ index: dealer, bytes: share })
    }
    return wrong
  }

  /** Nothing where we hold no share of some dealer, or not the one that everybody can see we should. */
  async #confirm(): Promise<DkgMessage | undefined> {
    const { agreement, qualified } = this.#transcript
    if (agreement === undefined) return undefined
    return (await this.#ownKey(qualified)) === undefined ? undefined : { phase: 'confirm', digest: agreement.digest }
  }

  /** Our part of the key, where it is the one that the others know us by. */
  async #ownKey(qualified: readonly number[]): Promise<Secret | undefined> {
    if (this.#secretKey !== undefined) return this.#secretKey
    const good = await this.#received()
    const parts: Contribution[] = qualified.flatMap((dealer) => {
      const bytes = good.get(dealer)
      return bytes === undefined ? [] : [{ dealer, bytes }]
    })
    const expected = this.#transcript.agreement?.keys.find(({ index }) => index === this.#receiver?.index)
    if (expected === undefined || parts.length < qualified.length) return undefined
    const { secretKey, key } = await this.#judge.combineShares(parts)
    if (!equalBytes(key, expected.bytes)) return undefined
    this.#secretKey = new Secret(secretKey)
    return this.#secretKey
  }

  /** Shares that are right: those sealed for us, and those shown to everybody because we complained. */
  async #received(): Promise<ReadonlyMap<number, Uint8Array>> {
    const receiver = this.#receiver
    if (receiver === undefined) return new Map()
    const sealed = this.#shares ?? (await this.#openShares(receiver))
    this.#shares = sealed
    const good = new Map(sealed)
    for (const [dealer, deal] of this.#transcript.deals) {
      if (good.has(dealer)) continue
      const shown = this.#transcript.answerTo(dealer, receiver.index)
      if (shown !== undefined && (await this.#judge.shownHolds(deal, receiver.index, shown))) good.set(dealer, shown)
    }
    return good
  }

  async #openShares(receiver: DkgMember): Promise<ReadonlyMap<number, Uint8Array>> {
    const good = new Map<number, Uint8Array>()
    const receiverKey = this.#transcript.keys.get(receiver.index)
    if (receiverKey === undefined) return good
    for (const [dealer, deal] of this.#transcript.deals) {
      const identity = this.#session.dealers.find(({ index }) => index === dealer)?.identity ?? new Uint8Array(0)
      const sealed = deal.shares.find(({ index }) => index === receiver.index)?.bytes ?? new Uint8Array(0)
      const ends = this.#ends(identity, deal.encryptionKey, receiver.identity, receiverKey)
      const share = openShare(this.#world.crypto, ends, this.#state.secrets.receiving.expose(), sealed)
      if (share !== undefined && (await this.#judge.receivedHolds(deal, receiver.index, share))) good.set(dealer, share)
    }
    return good
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
    const own = confirmed.includes(receiver.index) ? await this.#ownKey(agreement.qualified) : undefined
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
      own: { index: receiver.index, secretKey: own.expose() },
    }
    await storeAgreedKeys(this.#world.files, folder, keys)
    await this.#state.remove()
    log.info('dkg-agreed', { epoch: keys.epochId, members: keys.members.length, threshold: keys.threshold })
    return { kind: 'member', keys, culprits }
  }

  get #polynomials(): Uint8Array {
    return this.#state.secrets.polynomials.expose()
  }

  #publicKey(secret: Secret): Uint8Array {
    return this.#world.crypto.x25519Base(secret.expose())
  }

  #identityOf(receiver: number): Uint8Array {
    return this.#session.receivers.find(({ index }) => index === receiver)?.identity ?? new Uint8Array(0)
  }

  #ends(dealer: Uint8Array, dealerKey: Uint8Array, receiver: Uint8Array, receiverKey: Uint8Array): BoxEnds {
    return { session: this.#session.id, dealer, dealerKey, receiver, receiverKey }
  }
}

const ascending = (a: number, b: number): number => a - b
const itemOf = (index: number, bytes: Uint8Array | undefined): Item[] => (bytes === undefined ? [] : [{ index, bytes }])
