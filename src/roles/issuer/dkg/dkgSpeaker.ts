/** What an honest member says in each phase, and the shares it gets to know on the way. @module */
import { equalBytes } from '../../../foundation/base/bytes.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import type { LinkCryptoProvider } from '../../../foundation/crypto/provider.ts'
import type { Contribution, DkgEngine } from '../../../protocol/credentials/dkgEngine.ts'
import type { DkgJudge } from './dkgJudge.ts'
import type { DkgMessage, DkgPhase, Item } from './dkgMessages.ts'
import { type DkgMember, type DkgSession, identityName } from './dkgSession.ts'
import type { DkgSecrets } from './dkgState.ts'
import type { DkgTranscript } from './dkgTranscript.ts'
import { type BoxEnds, openShare, sealShare } from './shareBox.ts'

export interface DkgSpeakerOptions {
  readonly session: DkgSession
  readonly identity: Uint8Array
  readonly secrets: () => DkgSecrets
  readonly engine: DkgEngine
  readonly judge: DkgJudge
  readonly transcript: DkgTranscript
  readonly crypto: LinkCryptoProvider
}

export class DkgSpeaker {
  readonly #session: DkgSession
  readonly #identity: Uint8Array
  readonly #dealer: DkgMember | undefined
  readonly #receiver: DkgMember | undefined
  readonly #secrets: () => DkgSecrets
  readonly #engine: DkgEngine
  readonly #judge: DkgJudge
  readonly #transcript: DkgTranscript
  readonly #crypto: LinkCryptoProvider
  /** What dealers sealed for us and is right, by dealer. */
  #shares: ReadonlyMap<number, Uint8Array> | undefined
  #secretKey: Secret | undefined

  constructor({ session, identity, secrets, engine, judge, transcript, crypto }: DkgSpeakerOptions) {
    this.#session = session
    this.#identity = identity
    this.#dealer = session.dealerOf.get(identityName(identity))
    this.#receiver = session.receiverOf.get(identityName(identity))
    this.#secrets = secrets
    this.#engine = engine
    this.#judge = judge
    this.#transcript = transcript
    this.#crypto = crypto
  }

  /** undefined where it has nothing to say that would be true. */
  async messageFor(phase: DkgPhase): Promise<DkgMessage | undefined> {
    switch (phase) {
      case 'keys':
        return { phase, encryptionKey: this.#publicKey(this.#secrets().receiving) }
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
        return { phase, commitment: await this.#engine.commit('feldman', this.#polynomials) }
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
    const { dealing } = this.#secrets()
    const { kind } = this.#judge
    const encryptionKey = this.#publicKey(dealing)
    const receivers = [...this.#transcript.keys]
    const shares = await this.#engine.shares(
      kind,
      this.#polynomials,
      receivers.map(([index]) => index),
    )
    return {
      phase: 'deal',
      encryptionKey,
      commitment: await this.#engine.commit(kind, this.#polynomials),
      shares: receivers.flatMap(([index, receiverKey], i) => {
        const ends = this.#ends(this.#identity, encryptionKey, this.#identityOf(index), receiverKey)
        return itemOf(index, sealShare(this.#crypto, ends, dealing.expose(), shares[i] ?? new Uint8Array(0)))
      }),
    }
  }

  async #answer(): Promise<DkgMessage | undefined> {
    if (this.#dealer === undefined) return undefined
    const complaints = this.#transcript.complaintsOf(this.#dealer.index)
    const shares = await this.#engine.shares(this.#judge.kind, this.#polynomials, complaints)
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
    return (await this.ownKey(qualified)) === undefined ? undefined : { phase: 'confirm', digest: agreement.digest }
  }

  /** Our part of the key, where it is the one that the others know us by. */
  async ownKey(qualified: readonly number[]): Promise<Secret | undefined> {
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
      const share = openShare(this.#crypto, ends, this.#secrets().receiving.expose(), sealed)
      if (share !== undefined && (await this.#judge.receivedHolds(deal, receiver.index, share))) good.set(dealer, share)
    }
    return good
  }

  get #polynomials(): Uint8Array {
    return this.#secrets().polynomials.expose()
  }

  #publicKey(secret: Secret): Uint8Array {
    return this.#crypto.x25519Base(secret.expose())
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
