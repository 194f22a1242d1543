/**
 * What a board says so far, as everybody who reads it understands it: a state that depends on the entries, their order and their
 * times, and on nothing else. Phases follow each other; each ends when all have spoken whom it waits for, or at its deadline. In a
 * phase the first message of a member counts. Rules and reasons: docs/adr/0015-dkg-with-complaints.md. @module
 */
import { concat, equalBytes } from '../../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../../foundation/base/errors.ts'
import type { Meter } from '../../../foundation/base/observe.ts'
import { type Millis, millis } from '../../../foundation/base/units.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import type { BoardEntry } from './bulletinBoard.ts'
import type { Deal, DkgJudge } from './dkgJudge.ts'
import {
  type DkgMessage,
  type DkgPhase,
  decodeMessage,
  type Item,
  type SignedMessage,
  signatureHolds,
} from './dkgMessages.ts'
import { type DkgAgreement, type DkgCulprit, type DkgFault, resultDigest, tooFewLeft } from './dkgResult.ts'
import { type DkgMember, type DkgSession, identityName } from './dkgSession.ts'

type Ignored = 'malformed' | 'other-session' | 'other-phase' | 'stranger' | 'signature' | 'repeated'

const QUALIFYING: ReadonlySet<string> = new Set<DkgPhase>(['keys', 'deal', 'complain', 'answer'])

export class DkgTranscript {
  readonly #session: DkgSession
  readonly #judge: DkgJudge
  readonly #crypto: Pick<CryptoProvider, 'ed25519Verify' | 'sha256'>
  readonly #meter: Meter

  #phase: DkgPhase | 'agreed' = 'keys'
  #deadline: Millis
  /** Whom this phase waits for, and what they said. */
  #awaited: ReadonlyMap<string, DkgMember>
  #said = new Map<string, SignedMessage>()
  /** Bodies that counted, of earlier phases too: what a member that starts again must not contradict. */
  readonly #bodies = new Map<string, Uint8Array>()
  readonly #culprits: DkgCulprit[] = []
  readonly #disqualified = new Set<number>()
  /** A hash over every message that counted, in order. */
  #counted: Uint8Array

  readonly #keys = new Map<number, Uint8Array>()
  readonly #deals = new Map<number, Deal>()
  readonly #complaints = new Map<number, Set<number>>()
  readonly #answers = new Map<number, ReadonlyMap<number, Uint8Array>>()
  #qualified: readonly number[] = []
  readonly #openings = new Map<number, Uint8Array>()
  #broken: readonly number[] = []
  #agreement: DkgAgreement | undefined
  #confirmed: readonly number[] = []

  constructor(
    session: DkgSession,
    judge: DkgJudge,
    crypto: Pick<CryptoProvider, 'ed25519Verify' | 'sha256'>,
    meter: Meter,
  ) {
    this.#session = session
    this.#judge = judge
    this.#crypto = crypto
    this.#meter = meter
    this.#deadline = millis(session.plan.startsAt + session.plan.phaseLimit)
    this.#awaited = session.receiverOf
    this.#counted = session.id
  }

  get phase(): DkgPhase | 'agreed' {
    return this.#phase
  }

  /** Of this phase. */
  get deadline(): Millis {
    return this.#deadline
  }

  /** Whether this phase waits for that member still. */
  waitsFor(identity: Uint8Array): boolean {
    const name = identityName(identity)
    return this.#awaited.has(name) && !this.#said.has(name)
  }

  /** What counted of that member in a phase, as it was signed. */
  bodyOf(phase: DkgPhase, identity: Uint8Array): Uint8Array | undefined {
    return this.#bodies.get(`${phase} ${identityName(identity)}`)
  }

  /** Encryption keys by index of the receiver, ascending. */
  get keys(): ReadonlyMap<number, Uint8Array> {
    return this.#keys
  }

  /** Of dealers that are not disqualified. */
  get deals(): ReadonlyMap<number, Deal> {
    return new Map([...this.#deals].filter(([dealer]) => !this.#disqualified.has(dealer)))
  }

  /** Who complained of that dealer. */
  complaintsOf(dealer: number): readonly number[] {
    return [...(this.#complaints.get(dealer) ?? [])].sort((a, b) => a - b)
  }

  /** The share that a dealer showed everybody, where that receiver had complained. */
  answerTo(dealer: number, receiver: number): Uint8Array | undefined {
    return this.#answers.get(dealer)?.get(receiver)
  }

  get qualified(): readonly number[] {
    return this.#qualified
  }

  get openings(): ReadonlyMap<number, Uint8Array> {
    return this.#openings
  }

  /** Whose polynomials everybody shows shares of. */
  get broken(): readonly number[] {
    return this.#broken
  }

  get agreement(): DkgAgreement | undefined {
    return this.#agreement
  }

  /** Receivers that came to the same result; at least t of them once all is `agreed`. */
  get confirmed(): readonly number[] {
    return this.#confirmed
  }

  get culprits(): readonly DkgCulprit[] {
    return this.#culprits
  }

  /** The next entry of the board. ISSUERS_UNAVAILABLE where too few are left to make a key. */
  async take({ time, message: bytes }: BoardEntry): Promise<void> {
    await this.endPhases(time)
    if (this.#phase === 'agreed') return
    const signed = tryDecode(() => decodeMessage(bytes))
    const ignored = this.#count(signed)
    if (ignored !== undefined) {
      const help = 'messages on the board that do not count'
      this.#meter.counter('issuer_dkg_ignored_total', help, { reason: ignored }).value++
    }
    if (this.#said.size === this.#awaited.size) await this.#endPhase(time)
  }

  /** Ends the phases whose deadline is not after `time`. Nothing that the board says before then may be missing. */
  async endPhases(time: Millis): Promise<void> {
    while (this.#phase !== 'agreed' && this.#deadline <= time) await this.#endPhase(this.#deadline)
  }

  #count(signed: SignedMessage | MixnetError): Ignored | undefined {
    if (isMixnetError(signed)) return 'malformed'
    const { session, sender, message, body } = signed
    if (!equalBytes(session, this.#session.id)) return 'other-session'
    if (message.phase !== this.#phase) return 'other-phase'
    const name = identityName(sender)
    if (!this.#awaited.has(name)) return 'stranger'
    const before = this.#said.get(name)
    // Whoever likes may post a message again.
    if (before !== undefined && equalBytes(before.body, body)) return 'repeated'
    if (!signatureHolds(this.#crypto, signed)) return 'signature'
    if (before !== undefined) {
      this.#twice(name)
      return 'repeated'
    }
    const kept: SignedMessage = { ...decodeMessage(concat(body, signed.signature)) }
    this.#said.set(name, kept)
    this.#bodies.set(`${message.phase} ${name}`, kept.body)
    this.#counted = this.#crypto.sha256(concat(this.#counted, body))
    return undefined
  }

  /**
   * The order of the board already says which counts. Until it is settled who makes the key, whoever does such a thing is out; later
   * that would be a way to leave, and to choose the key by leaving.
   */
  #twice(name: string): void {
    const dealer = this.#session.dealerOf.get(name)
    const receiver = this.#session.receiverOf.get(name)
    if (dealer !== undefined && QUALIFYING.has(this.#phase)) this.#disqualify(dealer.index, 'two-messages')
    else if (dealer !== undefined && this.#phase === 'open') this.#blame(dealer.index, 'dealer', 'two-messages')
    else if (receiver !== undefined) this.#blame(receiver.index, 'receiver', 'two-messages')
  }

  async #endPhase(time: Millis): Promise<void> {
    const next = await this.#settle()
    this.#phase = next
    this.#said = new Map()
    this.#deadline = millis(time + this.#session.plan.phaseLimit)
    this.#awaited = next === 'agreed' ? new Map() : this.#speakers(next)
    if (next !== 'agreed' && this.#awaited.size === 0) await this.#endPhase(time)
  }

  #speakers(phase: DkgPhase): ReadonlyMap<string, DkgMember> {
    const { dealerOf, receiverOf } = this.#session
    const only = (of: ReadonlyMap<string, DkgMember>, keep: (index: number) => boolean) =>
      new Map([...of].filter(([, { index }]) => keep(index)))
    switch (phase) {
      case 'keys':
        return receiverOf
      case 'deal':
        return only(dealerOf, (index) => !this.#disqualified.has(index))
      case 'answer':
        return only(dealerOf, (index) => this.#complaints.has(index) && this.deals.has(index))
      case 'open':
        return only(dealerOf, (index) => this.#qualified.includes(index))
      case 'rebuild':
        return only(receiverOf, (index) => this.#broken.length > 0 && this.#keys.has(index))
      case 'complain':
      case 'accuse':
      case 'confirm':
        return only(receiverOf, (index) => this.#keys.has(index))
    }
  }

  async #settle(): Promise<DkgPhase | 'agreed'> {
    switch (this.#phase) {
      case 'keys':
        return this.#settleKeys()
      case 'deal':
        return this.#settleDeals()
      case 'complain':
        return this.#settleComplaints()
      case 'answer':
        return this.#settleAnswers()
      case 'open':
        return this.#settleOpenings()
      case 'accuse':
        return this.#settleAccusations()
      case 'rebuild':
        return this.#settleRebuilt()
      case 'confirm':
        return this.#settleConfirmations()
      case 'agreed':
        return 'agreed'
    }
  }

  #settleKeys(): DkgPhase {
    for (const [{ index }, { encryptionKey }] of this.#heard('keys')) this.#keys.set(index, encryptionKey)
    this.#blameSilent('receiver')
    this.#need(this.#keys.size, this.#session.plan.threshold)
    return 'deal'
  }

  async #settleDeals(): Promise<DkgPhase> {
    this.#blameSilent('dealer')
    for (const [{ index }, deal] of this.#heard('deal')) {
      if (await this.#judge.dealHolds(index, deal, [...this.#keys.keys()])) this.#deals.set(index, deal)
      else this.#disqualify(index, 'bad-deal')
    }
    this.#need(this.deals.size, this.#session.dealersNeeded)
    return 'complain'
  }

  #settleComplaints(): DkgPhase {
    this.#blameSilent('receiver')
    const deals = this.deals
    for (const [{ index }, { dealers }] of this.#heard('complain')) {
      for (const dealer of dealers) {
        if (!deals.has(dealer)) continue
        const complaints = this.#complaints.get(dealer) ?? new Set()
        this.#complaints.set(dealer, complaints.add(index))
      }
    }
    // At most t−1 members lie, so one of these does not; and an honest dealer never shows t shares, which are its polynomials.
    for (const [dealer, { size }] of this.#complaints) {
      if (size >= this.#session.plan.threshold) this.#disqualify(dealer, 'complaints')
    }
    return 'answer'
  }

  async #settleAnswers(): Promise<DkgPhase> {
    const answers = new Map(this.#heard('answer').map(([{ index }, { shares }]) => [index, shares]))
    for (const [dealer, deal] of this.deals) {
      const complaints = this.complaintsOf(dealer)
      if (complaints.length === 0) continue
      const shares = answers.get(dealer)
      if (shares === undefined) this.#disqualify(dealer, 'unanswered-complaint')
      else {
        const shown = new Map(shares.map(({ index, bytes }) => [index, bytes]))
        this.#answers.set(dealer, shown)
        const fault = await this.#answerFault(deal, complaints, shown)
        if (fault !== undefined) this.#disqualify(dealer, fault)
      }
    }
    this.#qualified = [...this.deals.keys()].sort((a, b) => a - b)
    this.#need(this.#qualified.length, this.#session.dealersNeeded)
    if (this.#session.plan.previous === undefined) return 'open'
    return this.#combine(new Map([...this.deals].map(([dealer, { commitment }]) => [dealer, commitment])))
  }

  async #answerFault(
    deal: Deal,
    complaints: readonly number[],
    shown: ReadonlyMap<number, Uint8Array>,
  ): Promise<DkgFault | undefined> {
    for (const receiver of complaints) {
      const share = shown.get(receiver)
      if (share === undefined) return 'unanswered-complaint'
      if (!(await this.#judge.shownHolds(deal, receiver, share))) return 'bad-answer'
    }
    return undefined
  }

  async #settleOpenings(): Promise<DkgPhase> {
    for (const [{ index }, { commitment }] of this.#heard('open')) {
      if (await this.#judge.openingHolds(commitment)) this.#openings.set(index, commitment)
    }
    return 'accuse'
  }

  async #settleAccusations(): Promise<DkgPhase> {
    this.#blameSilent('receiver')
    for (const [{ index: receiver }, { shares }] of this.#heard('accuse')) {
      for (const { index: dealer, bytes } of shares) {
        const deal = this.#deals.get(dealer)
        const opening = this.#openings.get(dealer)
        // What was accused by somebody else already, or not opened at all, is broken whatever this one says.
        if (deal === undefined || opening === undefined) continue
        const was = await this.#judge.shownHolds(deal, receiver, bytes)
        if (was && !(await this.#judge.openingFits(opening, receiver, bytes))) this.#openings.delete(dealer)
        else this.#blame(receiver, 'receiver', 'false-accusation')
      }
    }
    this.#broken = this.#qualified.filter((dealer) => !this.#openings.has(dealer))
    for (const dealer of this.#broken) this.#blame(dealer, 'dealer', 'bad-opening')
    return 'rebuild'
  }

  async #settleRebuilt(): Promise<DkgPhase> {
    this.#blameSilent('receiver')
    const all = new Map(this.#openings)
    for (const dealer of this.#broken) {
      const deal = this.#deals.get(dealer)
      if (deal === undefined) continue
      const good: Item[] = []
      for (const [{ index }, { shares }] of this.#heard('rebuild')) {
        const bytes = shares.find((one) => one.index === dealer)?.bytes
        if (bytes === undefined) continue
        if (await this.#judge.shownHolds(deal, index, bytes)) good.push({ index, bytes })
        else this.#blame(index, 'receiver', 'bad-share-shown')
      }
      good.sort((a, b) => a.index - b.index)
      const rebuilt = await this.#judge.rebuild(dealer, good)
      // Never without it: who could make that happen would choose between two keys.
      if (rebuilt === undefined) this.#need(good.length, this.#session.plan.threshold)
      else all.set(dealer, rebuilt)
    }
    return this.#combine(all)
  }

  async #combine(commitments: ReadonlyMap<number, Uint8Array>): Promise<DkgPhase> {
    const indices = [...this.#keys.keys()]
    const parts = [...commitments].sort(([a], [b]) => a - b).map(([dealer, bytes]) => ({ dealer, bytes }))
    const { masterKey, keys } = await this.#judge.combine(parts, indices)
    const { previous } = this.#session.plan
    if (previous !== undefined && !equalBytes(previous.masterKey, masterKey)) {
      throw new MixnetError('CONFIG_INVALID', { key: 'dkg: previous', why: 'its keys are not those of its master key' })
    }
    const items = indices.map((index, i): Item => ({ index, bytes: keys[i] ?? new Uint8Array(0) }))
    const qualified = this.#qualified
    this.#agreement = {
      masterKey,
      keys: items,
      qualified,
      digest: resultDigest(this.#crypto, this.#session.id, this.#counted, { masterKey, keys: items, qualified }),
    }
    return 'confirm'
  }

  #settleConfirmations(): 'agreed' {
    const confirmed: number[] = []
    for (const [{ index }, { digest }] of this.#heard('confirm')) {
      if (this.#agreement !== undefined && equalBytes(digest, this.#agreement.digest)) confirmed.push(index)
      else this.#blame(index, 'receiver', 'other-result')
    }
    this.#blameSilent('receiver')
    this.#need(confirmed.length, this.#session.plan.threshold)
    this.#confirmed = confirmed.sort((a, b) => a - b)
    return 'agreed'
  }

  /** What was said in this phase, by index of who said it. */
  #heard<P extends DkgPhase>(phase: P): [DkgMember, Extract<DkgMessage, { phase: P }>][] {
    const heard: [DkgMember, Extract<DkgMessage, { phase: P }>][] = []
    for (const [name, member] of this.#awaited) {
      const message = this.#said.get(name)?.message
      if (message?.phase === phase) heard.push([member, message as Extract<DkgMessage, { phase: P }>])
    }
    return heard
  }

  #blameSilent(as: 'dealer' | 'receiver'): void {
    for (const [name, { index }] of this.#awaited) if (!this.#said.has(name)) this.#blame(index, as, 'silent')
  }

  #disqualify(dealer: number, fault: DkgFault): void {
    this.#disqualified.add(dealer)
    this.#blame(dealer, 'dealer', fault)
  }

  #blame(index: number, as: 'dealer' | 'receiver', fault: DkgFault): void {
    const known = this.#culprits.some((one) => one.index === index && one.as === as && one.fault === fault)
    if (!known) this.#culprits.push({ index, as, fault })
  }

  #need(have: number, need: number): void {
    if (have < need) throw tooFewLeft(this.#phase, have, need)
  }
}
